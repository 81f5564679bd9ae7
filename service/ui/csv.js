// Columns of numbers out of text: fields between commas, semicolons or tabs, quoted or not.

const SEPARATORS = ["\t", ";", ","]
const MISSING = /^(|na|n\/a|nan|null|none|-)$/i

/** What is wrong with a text, and where. */
class CsvError extends Error {}

/** Of a text that has one number a line: nothing separates. */
export const NOTHING = "\0"

/**
 * One column of numbers for each of `names`, null where a value is missing: {names, rows: [row][column], guessed}. The
 * columns are found by these names; if they are not all there, the first ones of numbers are taken in their order, and
 * guessed says so. A first one that only counts on (years, an index) is passed over where there are others enough.
 */
export function columns(text, names, separator = separatorOf(text)) {
  const table = read(text, separator)
  const chosen = choose(table, names)
  const guessed = Boolean(table.head) && chosen.some((column, k) => table.head[column] !== names[k])
  const rows = table.lines.map((line) => chosen.map((column) => value(line, column, table.separator)))
  if (!rows.length) throw new CsvError("there are no values in it")
  return { names: chosen.map((column) => table.head?.[column] || `column ${column + 1}`), rows, guessed }
}

/** {separator, head, lines, width}; a single line of numbers is a column that lies down. */
function read(text, separator) {
  const plain = text.replace(/^\uFEFF/, "")
  let lines = records(plain, separator)
  if (!lines.length) throw new CsvError("there is nothing in it")
  if (lines.length === 1) lines = lines[0].fields.map((field) => ({ fields: [field], line: 1 }))
  const head = isHead(lines[0], separator) ? lines.shift().fields : null
  const width = lines.reduce((most, { fields }) => Math.max(most, fields.length), head?.length ?? 1)
  return { separator, head, lines: width > 1 ? lines.filter(isThere) : upToLast(lines), width }
}

const isThere = ({ fields }) => fields.length > 1 || fields[0] !== ""

/** The one that the first line has most of. */
function separatorOf(text) {
  const line = text
    .trimStart()
    .split("\n", 1)[0]
    .replace(/"[^"]*"/g, "")
  const count = (separator) => line.split(separator).length
  return SEPARATORS.reduce((best, separator) => (count(separator) > count(best) ? separator : best))
}

/** {fields, line} each: between quotes there may be separators, ends of lines and, twice, quotes. */
function records(text, separator) {
  const found = []
  let [fields, field, quoted, line, from] = [[], "", false, 1, 1]
  const close = () => {
    found.push({ fields: [...fields, field.trim()], line: from })
    fields = []
    field = ""
  }
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === "\n") line++
    if (quoted && c === '"' && text[i + 1] === '"') field += text[++i]
    else if (c === '"' && (quoted || !field.trim())) quoted = !quoted
    else if (quoted || (c !== separator && c !== "\n")) field += c
    else if (c === separator) {
      fields.push(field.trim())
      field = ""
    } else {
      close()
      from = line
    }
  }
  if (quoted) throw new CsvError(`line ${from}: a quote is opened and never closed`)
  if (fields.length || field.trim()) close()
  return found
}

/** Whether these are names above the numbers. */
function isHead({ fields }, separator) {
  const words = fields.filter((field) => !MISSING.test(field))
  return words.length > 0 && words.every((word) => number(word, separator) === undefined)
}

function choose({ head, lines, width, separator }, names) {
  const named = names.map((name) => head?.indexOf(name) ?? -1)
  if (named.every((column) => column >= 0)) return named
  const all = Array.from({ length: width }, (_, column) => column)
  const numeric = all.filter((column) => isNumeric(lines, column, separator))
  if (numeric.length > names.length && countsOn(lines, numeric[0], separator)) numeric.shift()
  if (numeric.length >= names.length) return numeric.slice(0, names.length)
  const there = ["no column of numbers is there", "one column of numbers is there"][numeric.length]
  throw new CsvError(`${there ?? `only ${numeric.length} columns of numbers are there`}; needed: ${names.join(", ")}`)
}

/** Whether the first thing in it is a number. */
function isNumeric(lines, column, separator) {
  const first = lines.find(({ fields }) => !MISSING.test(fields[column] ?? ""))
  return first !== undefined && number(first.fields[column], separator) !== undefined
}

/** Whether it grows by the same from line to line. */
function countsOn(lines, column, separator) {
  const numbers = lines.map(({ fields }) => number(fields[column] ?? "", separator))
  const by = numbers[1] - numbers[0]
  return by > 0 && numbers.every((n, i) => i === 0 || Math.abs(n - numbers[i - 1] - by) <= by * 1e-6)
}

/** Without the empty lines at the end; of a single column those between are missing values. */
const upToLast = (lines) => lines.slice(0, lines.findLastIndex(isThere) + 1)

function value({ fields, line }, column, separator) {
  const field = fields[column] ?? ""
  if (MISSING.test(field)) return null
  const read = number(field, separator)
  if (read === undefined) throw new CsvError(`line ${line}: “${field.slice(0, 40)}” is not a number`)
  return read
}

/** undefined if it is none. A comma that does not separate is a decimal one. */
function number(field, separator) {
  const read = field ? Number(separator === "," ? field : field.replace(",", ".")) : NaN
  return Number.isFinite(read) ? read : undefined
}
