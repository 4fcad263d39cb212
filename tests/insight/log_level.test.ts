import { expect, test } from 'vitest';
import { atLeast, LEVELS, levelOf } from '../../src/insight/log_level.ts';
import { cpuMs } from '../fakes/cpu_time.ts';

/** A line of each kind of program, as it writes them. */
const LINES: [text: string, level: string | null][] = [
  ['{"level":"error","msg":"x"}', 'error'],
  ['{"level":30,"time":1,"msg":"x"}', 'info'],
  ['{"name":"b","level":50,"msg":"x"}', 'error'],
  ['{"severity":"WARNING","message":"x"}', 'warn'],
  ['{"version":"1.1","host":"h","short_message":"m","level":3}', 'error'],
  ['{"@timestamp":"2024-01-01T00:00:00Z","log.level":"WARN","message":"x"}', 'warn'],
  ['{"@t":"2024","@l":"Fatal","@m":"x"}', 'fatal'],
  ['{"t":{"$date":"2024-01-01T00:00:00.000+00:00"},"s":"E","c":"NETWORK"}', 'error'],
  ['{"msg":"he said \\"level\\":\\"error\\""}', null],
  ['time="2024-01-01T00:00:00Z" level=warning msg="a"', 'warn'],
  ['ts=2024 caller=x level=debug msg=y', 'debug'],
  ['<11>Jan  2 03:04:05 host app[1]: boom', 'error'],
  ['E0102 03:04:05.678901    1 main.go:5] boom', 'error'],
  ['I0102 03:04:05.678901    1 main.go:5] x', 'info'],
  ['1:M 01 Jan 2024 12:00:00.000 # WARNING overcommit', 'warn'],
  ['1:M 01 Jan 2024 12:00:00.000 * Ready to accept', 'info'],
  ['2024/01/02 03:04:05 [error] 31#31: *1 open() failed', 'error'],
  ['2024/01/02 03:04:05 [notice] 1#1: start', 'info'],
  ['2024/01/02 03:04:05 [emerg] 1#1: bind()', 'fatal'],
  ['[Tue Jan 02 03:04:05.6 2024] [core:error] [pid 1] AH: x', 'error'],
  ['2024-01-02 03:04:05.123 UTC [42] ERROR:  relation "x" does not exist', 'error'],
  ['2024-01-02 03:04:05.123 UTC [42] LOG:  checkpoint starting: time', 'info'],
  ['2024-01-02 03:04:05.123 UTC [1] FATAL:  password authentication failed', 'fatal'],
  ['2024-01-02 03:04:05,123 ERROR [main] c.e.App - boom', 'error'],
  ['2024-01-02 03:04:05.123  WARN 1 --- [main] o.s.b : x', 'warn'],
  ['2024-01-02 03:04:05,123 - app - CRITICAL - x', 'fatal'],
  ['ERROR:root:boom', 'error'],
  ['WARNING:django:x', 'warn'],
  ['[2024-01-02T03:04:05,123][ERROR][o.e.b.B] [node] x', 'error'],
  ['2024-01-02T03:04:05Z ERR boom error=x', 'error'],
  ['2024-01-02T03:04:05.123Z  INFO app: hi', 'info'],
  ['[2024-01-02T03:04:05Z ERROR app] boom', 'error'],
  ['fail: Microsoft.X[0]', 'error'],
  ['info: listening on 1', 'info'],
  ['[12:00:00 INF] hi', 'info'],
  ['[E] bad', 'error'],
  ['W, [2024-01-02T03:04:05.1 #1]  WARN -- : x', 'warn'],
  ['panic: runtime error: x', 'fatal'],
  ['Traceback (most recent call last):', 'error'],
  ['Exception in thread "main" java.lang.X: y', 'error'],
  ['TypeError: x is not a function', 'error'],
  ['java.lang.IllegalStateException: b', 'error'],
  ['Error: boom', 'error'],
  ['PHP Fatal error:  Uncaught Exception', 'error'],
  ['PHP Warning:  foo', 'warn'],
  ['npm ERR! code 1', 'error'],
  ["thread 'main' panicked at src/main.rs:2:5:", 'fatal'],
  ['1.2.3.4 - - [02/Jan/2024:03:04:05 +0000] "GET /x HTTP/1.1" 502 157 "-" "curl"', 'error'],
  ['1.2.3.4 - - [02/Jan/2024:03:04:05 +0000] "GET /ERROR HTTP/1.1" 200 157 "-" "curl"', 'info'],
  ['hello world', null],
  ['no error here', null],
  ['2024-01-02 03:04:05 0 [Warning] [MY-010] x', 'warn'],
  ['2024-01-02 03:04:05 0 [Note] x', 'info'],
  ['INFO: no ERROR found', 'info'],
  ['Jan  2 03:04:05 h app: ERROR x', 'error'],
  ['', null],
  ['\u{1F600} ok', null],
  ['2024-01-02 03:04:05.1 [42] DETAIL:  Key', 'info'],
  ['(node:1) UnhandledPromiseRejectionWarning: Error: x', 'error'],
  ['(node:1) [DEP0040] DeprecationWarning: x', 'warn'],
  ['Segmentation fault (core dumped)', 'fatal'],
  ['[INFO] x', 'info'],
  ['ERROR 2024 boom', 'error'],
  ['level: error', 'error'],
  ['caddy | {"level":"warn","ts":1.5}', 'warn'],
  ['[main] ERROR org.x - boom', 'error'],
  ['10:00:01.123 [main] DEBUG a.b - x', 'debug'],
  ['WARN  [main] x', 'warn'],
  ['<200>not a priority', null],
  ['A, [2024-01-02T03:04:05.1 #1]   ANY -- : x', null],
  ['{"severity":"boring"}', null],
  ['{"level":20}', 'debug'],
  ['{"level":10}', 'trace'],
  ['{"level":60}', 'fatal'],
  ['{"level":40}', 'warn'],
  ['{"PRIORITY":"6"}', 'info'],
  ['level=strange but ERROR', 'error'],
  ['the event was (a) and (i) and [x] of <b>', null],
  ['/var/log/ERROR.log rotated', null],
  ['ERROR-free run', null],
  ['key ERROR=3', null],
  ['127.0.0.1 - - [x] "GET /a" broken', null],
  ['warning ahead', null],
];

test.each(LINES)('%s', (text, level) => {
  expect(levelOf(text)).toBe(level);
});

test('at least: what says nothing is not', () => {
  expect(LEVELS.filter((l) => atLeast(l, 'warn'))).toEqual(['warn', 'error', 'fatal']);
  expect(atLeast(null, 'trace')).toBe(false);
});

test('no line takes long, whatever it is made of', () => {
  for (const part of [
    '"level":',
    'level=',
    '[',
    'a.',
    'A_',
    '2024-',
    '"GET ',
    '\\',
    ' ',
    '{"',
    'Error',
    '(',
    'x:',
    '1',
  ]) {
    const text = part.repeat(Math.ceil(65_536 / part.length));
    expect(
      cpuMs(() => void levelOf(text)),
      part,
    ).toBeLessThan(100);
  }
});
