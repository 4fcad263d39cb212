/** A notice as plain text, for who reads it in a mail or on a phone. Pure. */
import type { Notice } from '../../core/notice.ts';

/** `link`: written out, where the program that shows it has no button for it. */
export function textOf(notice: Notice, o: { link: boolean }): string {
  const { lines, link, command } = notice;
  const out = [...lines];
  if (link !== undefined && o.link) out.push('', 'See exactly what was asked, and decide:', link);
  if (command !== undefined) out.push('', `${link === undefined ? 'On the host:' : 'Or on the host:'} ${command}`);
  return out.join('\n');
}
