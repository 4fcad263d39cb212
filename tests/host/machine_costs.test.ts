/** What default answers cost a model, on each kind of machine: tokens of o200k_base, and bytes in all. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import { machine } from '../fakes/machine.ts';

const KiB = 1024;

describe('what an answer costs', () => {
  const KINDS = ['vm', 'arm-board', 'docker-v1', 'docker-v2', 'lxc-lxcfs', 'server-64', 'proxmox-node', 'wsl2'];
  for (const kind of KINDS)
    test(`${kind}: default answers are short, and none passes 16 KiB`, async () => {
      using m = await machine(kind);
      m.later();
      const most = kind === 'vm' || kind === 'arm-board' ? 700 : 1_000;
      for (const tool of ['system_overview', 'system_metrics', 'process_list']) {
        const { text, bytes } = await m.call(tool);
        expect(encode(text).length, `${tool} of ${kind}`).toBeLessThanOrEqual(most);
        expect(bytes, `${tool} of ${kind}`).toBeLessThanOrEqual(16 * KiB);
      }
    });
});
