/**
 * The image's HEALTHCHECK: exit code 0 when /healthz says live. Not a subcommand: those load the settings, which takes three
 * times as long and half as much memory again, every 30 seconds. So it knows the environment only: in a container a port
 * set in a file has to be set there, too.
 */
const http = process.getBuiltinModule('node:http');
const { DECKHAND_HTTP_HOST: set = '', DECKHAND_HTTP_PORT: port = '7070' } = process.env;
const host = ['', '0.0.0.0', '::'].includes(set) ? '127.0.0.1' : set;

http
  .get(
    { host, port: Number(port), path: '/healthz', headers: { host: `localhost:${port}` }, timeout: 4_000 },
    (answer) => process.exit(answer.statusCode === 200 ? 0 : 1),
  )
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
