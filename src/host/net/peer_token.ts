/** The token for another Deckhand: what it looks like, and how one comes by it. The file is secret_file.ts's business. */
import { secretFile } from './secret_file.ts';

const TOKEN = /^[A-Za-z0-9._~+/=-]{1,1024}$/;

export const peerToken = (path: string): string =>
  secretFile(path, { what: 'token', shape: TOKEN, hint: 'It is one line, as `deckhand token add` printed it.' });
