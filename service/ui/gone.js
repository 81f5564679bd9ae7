// What is said of a session that is gone, to a person: the service's own words are for programs.

const SAID = {
  session_expired: "This session has expired: it got no value for too long, or was too old. Its hidden state is gone.",
  session_deleted: "This session was deleted. Its hidden state is gone.",
  session_unknown: "The service has no session of this name any more. Its hidden state is gone.",
}

/** Codes of errors. */
export const GONE = Object.keys(SAID)

/** What went wrong, as a sentence. */
export const told = ({ code, error = code, message }) => SAID[error] ?? message
