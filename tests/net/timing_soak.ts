/** Our probes beside the tools that everybody uses, in a namespace whose other machine answers at once: what differs is ours. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { certificates } from './certificates.ts';
import { namespaced } from './namespace.ts';

const CHILD = fileURLToPath(new URL('timing_child.ts', import.meta.url));

export async function timing(): Promise<Record<string, { ours: number; theirs: number }>> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-timing-'));
  try {
    const { good, ca } = certificates(dir, 'web.test');
    const far = {
      dns: [{ address: '10.9.0.254', names: { 'web.test': ['10.9.0.254'] } }],
      http: [{ address: '10.9.0.254', port: 8080, bytes: 20_000 }],
      tls: [{ address: '10.9.0.254', port: 8443, ...good }],
    };
    return await namespaced(`far '${JSON.stringify(far)}'\n"$NODE" "$CHILD"\n`, { CHILD, SSL_CERT_FILE: ca }, 300_000);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
