/**
 * `tailscale serve`, as far as setup needs it, after its source (1.102): reads the serve config of the LocalAPI, adds a handler, closes a
 * Funnel on that port, and sends it back with If-Match. Each call is written to the file in `record` beside it. Synthetic: no tailscaled here.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const argv = process.argv.slice(2);
appendFileSync(join(here, 'record'), `${JSON.stringify(argv)}\n`);
const instead = existsSync(join(here, 'instead')) ? readFileSync(join(here, 'instead'), 'utf8') : '';
const fail = (text) => {
  process.stderr.write(`${text}\n`);
  process.exit(1);
};
if (instead.startsWith('fail ')) fail(instead.slice(5));
if (instead === 'nothing') process.exit(0);

const flags = new Map();
const words = [];
for (const word of argv) {
  const flag = /^--([a-z-]+)(?:=(.*))?$/.exec(word);
  if (flag) flags.set(flag[1], flag[2] ?? true);
  else words.push(word);
}
const socketPath = flags.get('socket') ?? '/var/run/tailscale/tailscaled.sock';
const ask = (method, what, { body, etag } = {}) =>
  new Promise((resolve, reject) => {
    const headers = { host: 'local-tailscaled.sock', ...(etag ? { 'if-match': etag } : {}) };
    const sent = request({ socketPath, path: `/localapi/v0/${what}`, method, headers }, (response) => {
      let text = '';
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, text, etag: response.headers.etag }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

const [verb, target, ...rest] = words;
if (verb !== 'serve' || !target || rest.length > 0) fail('error: invalid number of arguments');
const status = JSON.parse((await ask('GET', 'status?peers=false')).text);
const { text, etag } = await ask('GET', 'serve-config');
const config = JSON.parse(text) ?? {};
const service = flags.get('service');
const port = flags.get('https');
if (service && !status.Self.Tags?.length) fail('service hosts must be tagged nodes');
let scope = config;
let host = status.Self.DNSName.replace(/\.$/, '');
if (service) {
  config.Services ??= {};
  config.Services[service] ??= {};
  scope = config.Services[service];
  host = `${service.slice(4)}.${status.CurrentTailnet.MagicDNSSuffix}`;
}
if (scope.TCP?.[port]?.TCPForward) fail('error: cannot serve web; already serving TCP');
scope.TCP = { ...scope.TCP, [port]: { HTTPS: true } };
scope.Web ??= {};
scope.Web[`${host}:${port}`] ??= { Handlers: {} };
scope.Web[`${host}:${port}`].Handlers['/'] = { Proxy: target };
if (!service && config.AllowFunnel) delete config.AllowFunnel[`${host}:${port}`];
const sent = await ask('POST', 'serve-config', { body: JSON.stringify(config), etag });
if (sent.status === 403)
  fail("sending serve config: Access denied: serve config denied\n\nUse 'sudo tailscale serve'.");
if (sent.status !== 200) fail(`sending serve config: ${sent.text}`);
process.stdout.write(`Available within your tailnet:\n\nhttps://${host}/\n|-- proxy ${target}\n`);
