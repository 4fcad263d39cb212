/** One change of a file in a process of its own, as the file thread does it, between two marks in its trace. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answerOf, CONTENT, type FileScene, requestOf, upload } from './files_scenes.ts';

const [scene, dir] = process.argv.slice(2) as [FileScene | 'naive', string];
/** Seen in the trace, and nothing else. */
const mark = (name: string) => statSync(join(dir, `mark-${name}`), { throwIfNoEntry: false });

const uploads = scene === 'upload' || scene === 'upload-replace';
const request = scene === 'naive' || uploads ? null : requestOf(scene, join(dir, 'root'));
mark('begin');
// The control: in place, as editors of one line of code do it.
if (uploads) await upload(scene, join(dir, 'root'));
else if (!request) writeFileSync(join(dir, 'root/f'), CONTENT.new);
else await answerOf(request);
mark('end');
