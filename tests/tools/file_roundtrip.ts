/**
 * Generated files on a real disk, through the door: one is read, one of its lines is edited by what was read, and every other byte is
 * compared. The naive way, which takes the text for the file, is the control.
 */

import { fileEdit } from '../../src/tools/file_edit.ts';
import type { FileReadAnswer } from '../../src/tools/file_read.ts';
import { fileRead } from '../../src/tools/file_read.ts';
import { undo } from '../../src/tools/undo.ts';
import { who } from '../fakes/policy.ts';
import { dice, madeFile } from '../insight/made_files.ts';
import { house, said } from './file_house.ts';

const editor = who('token:editor', ['files:write']);

export interface Roundtrip {
  edited: number;
  byText: number;
  /** Not to be edited, with the reason. */
  refused: string[];
  wrong: string[];
  naiveWrong: number;
}

export async function roundtrip(count: number, from = 0): Promise<Roundtrip> {
  const h = house({ catalog: { tools: [fileRead, fileEdit, undo], resources: [], prompts: [] } });
  const out: Roundtrip = { edited: 0, byText: 0, refused: [], wrong: [], naiveWrong: 0 };
  try {
    for (let seed = from; out.edited < count; seed++) {
      const { bytes, lines, what } = madeFile(seed);
      const roll = dice(seed + 5e5);
      if (lines.length === 0) continue;
      const n = roll(lines.length);
      const { from: start, end } = lines[n] as (typeof lines)[number];
      const path = h.put('f.conf', bytes);
      const read = await h.call('file_read', { path, lines: `${n + 1}-${n + 1}` }, { principal: editor });
      if (read.status !== 'done') {
        out.wrong.push(`${what}: ${said(read)}`);
        continue;
      }
      const [part] = (read.data as FileReadAnswer).parts;
      const text = part?.lines[0] ?? '';
      const { altered, invalidBytes, cutLines } = read.data as FileReadAnswer;
      const asItIs = altered.redacted + altered.stripped + invalidBytes + cutLines === 0 && text !== '';
      const replace = `edited ${seed}`;
      // By its text where that is all of it and there once; else by its number.
      const once = asItIs && bytes.indexOf(text) >= 0 && bytes.indexOf(text, bytes.indexOf(text) + 1) < 0;
      const edits = [once ? { find: text, replace } : { lines: `${n + 1}`, replace }];
      const done = await h.call('file_edit', { path, edits }, { principal: editor });
      if (done.status !== 'done') {
        out.refused.push(`${what}: ${said(done)}`);
        continue;
      }
      out.edited++;
      if (once) out.byText++;
      const want = Buffer.concat([bytes.subarray(0, start), Buffer.from(replace), bytes.subarray(end)]);
      if (!h.bytes('f.conf').equals(want)) out.wrong.push(`${what}, line ${n + 1}: other bytes have changed`);
      const back = await h.call('undo', { receipt: done.data.receipt }, { principal: editor });
      if (back.status !== 'done' || !h.bytes('f.conf').equals(bytes)) out.wrong.push(`${what}: undo: ${said(back)}`);
      const naive = bytes.toString('utf8').split(/\r?\n/);
      naive[n] = replace;
      if (!Buffer.from(naive.join('\n')).equals(want)) out.naiveWrong++;
    }
  } finally {
    h.close();
  }
  return out;
}
