/** What programs write when they fail: each text is one entry. The first line of each begins it. */
const lines = (text: string) => text.replace(/^\n/, '').replace(/\n$/, '').split('\n');

export const JAVA = [
  '2024-01-02 03:04:05.678 ERROR 1 --- [nio-8080-exec-1] o.a.c.c.C.[.[.[/].[dispatcherServlet]    : Servlet.service() threw exception',
  'java.lang.IllegalStateException: no connection to db',
  ...Array.from(
    { length: 18 },
    (_, i) => `\tat com.example.app.Layer${i}.call(Layer${i}.java:${i + 10}) ~[app.jar:1.0]`,
  ),
  '\t... 12 common frames omitted',
  'Caused by: java.net.ConnectException: Connection refused',
  ...Array.from({ length: 6 }, (_, i) => `\tat java.base/sun.nio.ch.Net.call${i}(Native Method)`),
  '\tSuppressed: java.io.IOException: closed',
  '\t\tat com.example.Close.run(Close.java:1)',
];

export const TRACES: Record<string, string[]> = {
  'Java, 30 lines behind the log line': JAVA,
  'Java, alone': lines(`
Exception in thread "main" java.lang.RuntimeException: boom
	at Main.main(Main.java:3)
Caused by: java.io.IOException: x
	at Main.a(Main.java:9)
	... 1 more`),
  'Kotlin, bare': lines(`
kotlin.KotlinNullPointerException: null
	at MainKt.main(Main.kt:2)`),
  'Python, behind a log line': lines(`
ERROR:app:request failed
Traceback (most recent call last):
  File "/app/a.py", line 3, in f
    g()
ValueError: bad

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/a.py", line 9, in <module>
    f()
  File "/app/b.py", line 1, in h
    raise app.errors.Broken("x") from e
app.errors.Broken: x`),
  'Python, an exception without a message': lines(`
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyboardInterrupt`),
  Go: lines(`
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f2a1]

goroutine 1 [running]:
main.(*Server).handle(0xc0000b4000, {0x4b2f60, 0x5})
	/app/main.go:12 +0x1d
main.main()
	/app/main.go:5 +0x25
created by net/http.(*Server).Serve in goroutine 1
	/usr/local/go/src/net/http/server.go:3089 +0x5ed
exit status 2`),
  'Node, uncaught': lines(`
/app/index.js:10
    throw new Error('boom');
    ^

Error: boom
    at main (/app/index.js:10:11)
    at node:internal/main/run_main_module:28:49 {
  code: 'E_BOOM',
  details: [
    'a'
  ]
}

Node.js v24.1.0`),
  'Node, logged': lines(`
TypeError [ERR_INVALID_ARG_TYPE]: The "path" argument must be of type string
    at f (node:fs:1:2)
    at async Promise.all (index 0)`),
  'Node, a missing module': lines(`
node:internal/modules/cjs/loader:1228
  throw err;
  ^

Error: Cannot find module 'x'
Require stack:
- /app/index.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15) {
  code: 'MODULE_NOT_FOUND'
}`),
  PHP: lines(`
PHP Fatal error:  Uncaught Exception: no in /srv/a.php:3
Stack trace:
#0 /srv/a.php(9): f()
#1 {main}
  thrown in /srv/a.php on line 3`),
  '.NET': lines(`
Unhandled exception. System.InvalidOperationException: no
 ---> System.IO.IOException: x
   at App.Read() in /src/App.cs:line 3
   --- End of inner exception stack trace ---
   at App.Main()
--- End of stack trace from previous location ---
   at App.Run()`),
  Ruby: lines(`
app.rb:3:in 'f': no (RuntimeError)
	from app.rb:7:in '<main>'`),
  Rust: lines(`
thread 'main' panicked at src/main.rs:2:5:
called \`Option::unwrap()\` on a \`None\` value
stack backtrace:
   0: rust_begin_unwind
             at /rustc/x/library/std/src/panicking.rs:1
note: Some details are omitted, run with \`RUST_BACKTRACE=full\``),
  PostgreSQL: lines(`
2024-01-02 03:04:05.678 UTC [42] ERROR:  duplicate key value violates unique constraint "a"
2024-01-02 03:04:05.678 UTC [42] DETAIL:  Key (id)=(1) already exists.
2024-01-02 03:04:05.678 UTC [42] STATEMENT:  INSERT INTO t
	VALUES (1)`),
  'JSON over lines': lines(`
{
  "a": 1,
  "b": [
    2
  ]
}`),
  'a private key': lines(`
-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED

MIIEpAIBAAKCAQEA04up8hoqzS1+APIB0RhjXyObwHQnOzhAk5Bd7mhkSbPkyhP1
iWlX9HNavcydATJc1f0DpzF0u4zY8PY24RVoW8vk+bJANPp1o2IAkeajCaF3w9nf
-----END RSA PRIVATE KEY-----`),
  'the lower part of a private key': lines(`
MIIEpAIBAAKCAQEA04up8hoqzS1+APIB0RhjXyObwHQnOzhAk5Bd7mhkSbPkyhP1
iWlX9HNavcydATJc1f0DpzF0u4zY8PY24RVoW8vk+bJANPp1o2IAkeajCaF3w9nf
abc=
-----END PRIVATE KEY-----`),
};

/** Lines that are entries of their own, in any order. */
export const SINGLE = [
  '2024-01-02 03:04:05 INFO started',
  '{"level":"info","msg":"x"}',
  'level=info msg=x',
  '1.2.3.4 - - [02/Jan/2024:03:04:05 +0000] "GET / HTTP/1.1" 200 1',
  'listening on :8080',
  'I0102 03:04:05.678901    1 main.go:5] x',
  '[info] ready',
];
