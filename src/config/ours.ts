/** Files of ours that no tool opens. Decides only which those are; that they stay shut is host/files/deny.ts's business. */
import { resolve } from 'node:path';
import { DEFAULT_FILE, type Loaded } from './load.ts';

/** Under whatever root: our state with its keys and tokens, the settings, and the secrets that they name. */
export function ourFiles({ config, file, secretFiles }: Loaded): string[] {
  const { docker, peers, notify, auth, limits, http } = config;
  return [
    config.state.dir,
    DEFAULT_FILE,
    file,
    ...secretFiles,
    ...[docker, ...docker.engines].map((e) => e.certPath),
    ...peers.map((p) => p.tokenFile),
    ...notify.channels.map((c) => c.secretFile),
    ...auth.issuers.map((i) => i.clientSecretFile),
    limits.shared.passwordFile,
    http.tls.keyFile,
  ].flatMap((path) => (path ? [resolve(path)] : []));
}
