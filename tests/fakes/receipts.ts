/** The store of receipts in memory: its real rows, blobs in a map. */
import { hash } from 'node:crypto';
import type { Blobs } from '../../src/store/blobs.ts';
import { openReceipts, type ReceiptBounds, type Receipts } from '../../src/store/receipts.ts';
import { memoryDb } from './memory_db.ts';

export function memoryReceipts(over: Partial<ReceiptBounds> = {}): Receipts {
  const contents = new Map<string, Uint8Array>();
  const blobs: Blobs = {
    put(content) {
      const sha = hash('sha256', content);
      contents.set(sha, content);
      return { sha, bytes: content.length };
    },
    get: (sha) => contents.get(sha) ?? null,
    sweep() {},
  };
  return openReceipts({ blobs: '', ensure() {} }, memoryDb(), { blobs, ...over });
}
