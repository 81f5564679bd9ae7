"""The Open Inference Protocol (REST) with its sequence, parameters, binary tensor data, model configuration and
statistics extensions: another door to the same engine and the same sessions. docs/protocol.md is the same for people.
"""
