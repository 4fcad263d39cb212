/**
 * The image's HEALTHCHECK: exit code 0 when /healthz says live. Not a subcommand: those load the settings, which takes three
 * times as long and half as much memory again, every 30 seconds. So it knows the environment only: in a container a port
 * or a certificate set in a file has to be set there, too.
 */
const {
  DECKHAND_HTTP_HOST: set = '',
  DECKHAND_HTTP_PORT: port = '7070',
  DECKHAND_HTTP_TLS_CERT_FILE: cert,
} = process.env;
// Loaded only where it is spoken.
const http = process.getBuiltinModule(cert ? 'node:https' : 'node:http');
const host = ['', '0.0.0.0', '::'].includes(set) ? '127.0.0.1' : set;

http
  .get(
    {
      host,
      port: Number(port),
      path: '/healthz',
      headers: { host: `localhost:${port}` },
      timeout: 4_000,
      // It asks itself, and whether it lives: who it is nobody doubts.
      rejectUnauthorized: false,
    },
    (answer) => process.exit(answer.statusCode === 200 ? 0 : 1),
  )
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
