/** The other Deckhand of a namespace test: its whole house on a port, and a token for it in a file. Arguments: folder, address. Prints `up`. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createHttp } from '../../src/edge/http.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { quiet } from '../fakes/policy.ts';

const [dir = '', address = ''] = process.argv.slice(2);
const home = join(dir, 'far');
mkdirSync(home);
const loaded = await loadConfig({
  env: {
    HOME: home,
    DECKHAND_STATE_DIR: join(home, 'state'),
    DECKHAND_AUDIT_HEADS: 'off',
    DECKHAND_HTTP_HOST: address,
    DECKHAND_NET_MEASURE: 'true',
  },
});
const app = await createApp({ loaded, log: quiet, role: 'serve', version: 'test' });
const { http } = app.config;
const face = createHttp({
  door: app.door,
  info: app.info,
  log: quiet,
  http: { ...http, allowedHosts: [...http.allowedHosts], allowedOrigins: [...http.allowedOrigins] },
  live: () => true,
  ready: app.ready,
  measures: app.measures,
  authenticate: byToken(app.principals.bearer),
});
await face.listen();
writeFileSync(join(dir, 'token'), app.tokens.add({ name: 'near', role: 'viewer' }).secret, { mode: 0o600 });
process.stdout.write('up\n');
