-- What wrk sends: single values of many sessions, each session's in order.
--
-- Arguments: path, body (see doors.py), name of the run, sessions a request, requests until a session is asked again,
-- and the series with commas between. For one thread: wrk gives each an environment of its own.

local WORDS = { SESSION = true, SESSIONS = true, NUMBER = true, VALUE = true, VALUES = true, STEP = true, START = true }
local HEADERS = { ["content-type"] = "application/json" }

local path, run, batch, turns
local pieces, series, columns = {}, {}, {}
local count = -1 -- wrk asks for one request that it never sends

function init(arguments)
  path, run, batch, turns = arguments[1], arguments[3], tonumber(arguments[4]), tonumber(arguments[5])
  for text, word in (arguments[2] .. "END"):gmatch("(.-)(%u%u%u+)") do
    table.insert(pieces, text)
    if WORDS[word] then table.insert(pieces, { word = word }) end
  end
  for value in arguments[6]:gmatch("[^,]+") do table.insert(series, value) end
end

-- The ids of a batch are the same at every step: written once.
local function sessions(turn)
  if not columns[turn] then
    local ids = {}
    for row = 1, batch do ids[row] = string.format('"%s-%d-%d"', run, turn, row) end
    columns[turn] = table.concat(ids, ",")
  end
  return columns[turn]
end

local say = {
  SESSION = function(turn) return run .. "-" .. turn end,
  NUMBER = function(turn) return string.format("%.0f", tonumber(run, 16) * 65536 + turn) end,
  SESSIONS = function(turn) return sessions(turn) end,
  VALUE = function(_, step) return series[step % #series + 1] end,
  VALUES = function(_, step) return (series[step % #series + 1] .. ","):rep(batch):sub(1, -2) end,
  STEP = function(_, step) return step end,
  START = function(_, step) return tostring(step == 0) end,
}

function request()
  local turn, step, parts = count % turns, math.floor(count / turns), {}
  count = count + 1
  for i, piece in ipairs(pieces) do
    parts[i] = type(piece) == "table" and say[piece.word](turn, step) or piece
  end
  return wrk.format("POST", path, HEADERS, table.concat(parts))
end

function done(summary, latency)
  local errors = 0
  for _, number in pairs(summary.errors) do errors = errors + number end
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "errors": %d, "p50": %.3f, "p99": %.3f, "p999": %.3f}',
    summary.requests, summary.duration / 1e6, errors,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3
  ))
end
