/**
 * Which lines belong to the line above them: stack traces of Java, Kotlin, .NET, Python, Go, Node, Ruby, PHP and Rust, indented
 * continuations, the notes of PostgreSQL, and the lines of a private key. Pure: a small machine with one word of memory, so that it
 * works on a stream. How long an entry may get is the grouper's.
 */
import { isStamped } from './log_stamp.ts';

/** What the lines so far announce. */
export type Mode =
  | 'plain'
  /** A log line that says it is bad: an exception without indentation may follow. */
  | 'bad'
  | 'java'
  | 'python'
  | 'python-end'
  | 'go'
  | 'node'
  | 'node-end'
  | 'php'
  | 'rust'
  | 'rust-message'
  | 'key'
  | 'base64';

const KEY_BEGIN = /-----BEGIN (?:[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1)-----/;
const KEY_END = /-----END [A-Z0-9 ]{0,40}(?:PRIVATE KEY(?: BLOCK)?|Static key V1)-----/;
const KEY_LINE = /^\s*(?:[A-Za-z0-9+/=\\]{1,200}|(?:Proc-Type|DEK-Info|Version|Comment|Hash): .{0,200})?\s*$/;
const LONGEST_KEY_LINE = 300;
const BASE64 = /^[A-Za-z0-9+/]{40,}={0,2}$/;
const BASE64_REST = /^[A-Za-z0-9+/]{1,200}={0,2}$/;

const TRACEBACK = /^(?:\s*\+ Exception Group )?Traceback \(most recent call last\):/;
const PYTHON_ERROR = /^[A-Za-z_][\w.]*(?:: |:$|$)/;
const PYTHON_AGAIN = /^(?:During handling of the above exception|The above exception was the direct cause)/;
/** `java.lang.IllegalStateException: boom`, `Npgsql.PostgresException (0x80004005): …`, `TypeError [ERR_X]: …`. */
const EXCEPTION =
  /^(?:[A-Za-z_$][\w$]*[.:\\]{1,2})*[A-Za-z_$]?[\w$]*(?:Error|Exception|Throwable|Failure)(?: \[\w+\]| \(\w+\))?(?::|$)/;
const QUALIFIED = /^(?:[a-z_$][\w$]*\.){1,12}[A-Z][\w$]*(?:: |$)/;
const BLAMED =
  /^(?:Caused by: |Suppressed: |Wrapped by: |\.\.\. \d+ (?:more|common frames|frames)|---> |at [\w$<./]|\[?CIRCULAR REFERENCE)/;
const DOTNET = /^Unhandled exception\. /;
const DOTNET_MORE = /^--- End of /;
const NODE_PLACE = /^(?:\/|node:|file:\/\/|[A-Za-z]:\\)[^\s]{1,400}:\d+$/;
const NODE_MORE = /^(?:Require stack:|- \/|Node\.js v\d|Thrown at:|\(Use `node )/;
const GO_MORE =
  /^(?:goroutine \d+ |created by |exit status \d|\[signal |panic: |runtime |runtime\.|r[a-z0-9]{1,3} {2,}0x|[a-z]{2} {2,}0x|fatal error: |\[recovered\]|\.\.\.additional frames)/;
const PHP_MORE = /^(?:Stack trace:|#\d+ |thrown in |PHP Stack trace:|PHP +\d+\. )/;
const RUST_MORE = /^(?:note: |stack backtrace:|thread )/;
const CLOSER = /^[\]})]{1,3}[,;]?$/;
const POSTGRES_MORE = /(?:^|[\s\]>])(?:DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION): {2}/;

const BAD_NEWS = /rror|xception|hrowable|ailure|\w\.[A-Z]/;

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** What a line that begins an entry announces. `stamped`: it begins with a time, so it is a log's line and no bare trace. */
export function announces(text: string, bad: boolean, stamped: boolean): Mode {
  const first = text.charCodeAt(0);
  if (text.includes('-----BEGIN ') && KEY_BEGIN.test(text) && !KEY_END.test(text)) return 'key';
  if (stamped || first === 123) return text.includes('Uncaught ') ? 'php' : bad ? 'bad' : 'plain';
  switch (first) {
    case 112: // p
    case 102: // f
      if (text.startsWith('panic: ') || text.startsWith('fatal error: ')) return 'go';
      break;
    case 103: // g
      if (/^goroutine \d+ /.test(text)) return 'go';
      break;
    case 84: // T
      if (TRACEBACK.test(text)) return 'python';
      break;
    case 80: // P
      if (text.startsWith('PHP ')) return 'php';
      break;
    case 116: // t
      if (/^thread '.{0,200}' (?:\(\d+\) )?panicked at /.test(text))
        return text.endsWith(':') ? 'rust-message' : 'rust';
      break;
  }
  if (text.length >= 40 && text.length <= 200 && !text.includes(' ') && isKeyLine(text)) return 'base64';
  if (isDigit(text.charCodeAt(text.length - 1)) && NODE_PLACE.test(text)) return 'node';
  if (BAD_NEWS.test(text) && (EXCEPTION.test(text) || text.startsWith('Exception in thread ') || DOTNET.test(text)))
    return 'java';
  if (text.includes('Uncaught ') || text.includes('Stack trace')) return 'php';
  return bad ? 'bad' : 'plain';
}

/** The lower part of a key has no beginning: pure base64 is held together, so that its end can tell what it was. */
const isKeyLine = (text: string): boolean => BASE64.test(text) && /[A-Z]/.test(text) && /[a-z]/.test(text);

/** Holds secrets over more than one line: kept together even where nobody wants lines grouped. */
export const isSecretive = (mode: Mode): boolean => mode === 'key' || mode === 'base64';

/** First letters of what belongs to the line above without being indented: Caused by, Suppressed, Wrapped by, at, …, closing brackets. */
const MAY_FOLLOW = new Set([...'CSWa.-[})]'].map((c) => c.charCodeAt(0)));

/** The machine's next word when the line belongs to the entry above it, null when it begins one of its own. */
export function follows(mode: Mode, text: string, stamped = isStamped(text)): Mode | null {
  if (isSecretive(mode)) return inKey(mode, text);
  const first = text.charCodeAt(0);
  if (first === 32 || first === 9) return indented(mode);
  // An empty line ends nothing: Go and Python leave some in the middle of their traces.
  if (text === '') return mode;
  if (stamped) return text.includes(':  ') && POSTGRES_MORE.test(text.slice(0, 200)) ? mode : null;
  // Most lines follow nothing, and their first letter shows it.
  if (mode === 'plain' && !MAY_FOLLOW.has(first)) return null;
  if (first === 123 && text.startsWith('{"')) return null;
  if (CLOSER.test(text)) return mode;
  if (BLAMED.test(text) || DOTNET_MORE.test(text)) return 'java';
  switch (mode) {
    case 'plain':
      return null;
    case 'bad':
      if (TRACEBACK.test(text)) return 'python';
      if (PHP_MORE.test(text)) return 'php';
      return QUALIFIED.test(text) || EXCEPTION.test(text) ? 'java' : null;
    case 'python':
      return TRACEBACK.test(text) ? 'python' : PYTHON_ERROR.test(text) ? 'python-end' : null;
    case 'python-end':
      return PYTHON_AGAIN.test(text) || TRACEBACK.test(text) ? 'python' : null;
    case 'java':
      return PYTHON_AGAIN.test(text) || TRACEBACK.test(text) ? 'python' : NODE_MORE.test(text) ? mode : null;
    case 'go':
      return GO_MORE.test(text) || isGoCall(text) ? mode : null;
    case 'node':
      return EXCEPTION.test(text) ? 'node-end' : NODE_MORE.test(text) || text.startsWith('Uncaught') ? mode : null;
    case 'node-end':
      return NODE_MORE.test(text) ? mode : null;
    case 'php':
      return PHP_MORE.test(text) ? mode : null;
    case 'rust-message':
      return 'rust';
    case 'rust':
      return RUST_MORE.test(text) ? mode : null;
  }
  return null;
}

/** `main.(*Server).handle(0xc000, {0x4, 0x5})`. Not by one pattern: on many brackets that takes the square of their number. */
function isGoCall(text: string): boolean {
  const open = text.indexOf('(');
  return open > 0 && text.endsWith(')') && !text.slice(0, open).includes(' ');
}

function indented(mode: Mode): Mode {
  return mode === 'rust-message' ? 'rust' : mode;
}

function inKey(mode: Mode, text: string): Mode | null {
  if (KEY_END.test(text)) return 'plain';
  // Longer ones are no lines of a key, and blanks without end would cost their square.
  if (text.length > LONGEST_KEY_LINE) return null;
  if (mode === 'key') return KEY_LINE.test(text) ? 'key' : null;
  return BASE64_REST.test(text) ? 'base64' : null;
}
