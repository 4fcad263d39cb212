/** Pairs for tests of TLS: made by the product's own maker, so that its certificates are what clients are tried with. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { selfSigned } from '../../src/cli/self_signed.ts';

export const DAY_MS = 86_400_000;
export const NAMES = ['localhost', '127.0.0.1', '::1'];

export const freshPair = (names: readonly string[] = NAMES, days = 30, now = Date.now()) =>
  selfSigned({ names, now, notAfterMs: now + days * DAY_MS });

export interface Folder extends Disposable {
  dir: string;
  certFile: string;
  keyFile: string;
  put(pair: { cert?: string; key?: string }, mode?: number): void;
}

export function folder(): Folder {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-tls-'));
  const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  return {
    dir,
    certFile,
    keyFile,
    put({ cert, key }, mode = 0o600) {
      if (key !== undefined) {
        rmSync(keyFile, { force: true });
        writeFileSync(keyFile, key, { mode });
      }
      if (cert !== undefined) {
        rmSync(certFile, { force: true });
        writeFileSync(certFile, cert);
      }
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Shakes hands, or says with which error it did not. */
export function shake(port: number, o: ConnectionOptions = {}): Promise<TLSSocket | { failed: string }> {
  const { promise, resolve } = Promise.withResolvers<TLSSocket | { failed: string }>();
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...o });
  socket.once('secureConnect', () => resolve(socket));
  socket.on('error', (thrown: NodeJS.ErrnoException) => resolve({ failed: String(thrown.code) }));
  return promise;
}
