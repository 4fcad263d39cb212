/**
 * Enabling and disabling: what a unit file must have for it, and which other units it takes along (Also=). Decides that those are held to
 * the same rules: otherwise one allowed file could disable a protected unit.
 */
import type { ToolContext } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Unit, UnitVerb } from '../core/services.ts';
import { isTemplate, isUnitName } from '../core/unit_refs.ts';
import { guardOf } from '../insight/unit_guard.ts';

const MOST = 20;

export function filesFit(action: UnitVerb, u: Unit): void {
  if (action !== 'enable' && action !== 'disable') return;
  const why: Record<string, string> = {
    static: 'has no [Install] section: it is started by what needs it, and cannot be enabled or disabled',
    generated: 'is generated at each boot (from fstab, or a script of init.d), and cannot be enabled or disabled so',
    transient: 'exists only until it ends, and cannot be enabled or disabled',
    indirect: 'is enabled through another unit that its file names (Also=)',
    alias: 'is another name: enable or disable the unit itself',
  };
  const is = u.fileState ?? 'none';
  if (u.fragmentPath === null || why[is])
    throw new OpsError('conflict', `${u.name} ${why[is] ?? 'has no file, and cannot be enabled or disabled'}.`, {
      hint: 'service_status shows its file and what starts it.',
    });
}

/** Throws where one of them may not be changed, or where it cannot be known who they are. */
export async function alsoNamed(
  u: Unit,
  action: UnitVerb,
  ctx: Pick<ToolContext, 'host' | 'signal'>,
): Promise<string[]> {
  if (action !== 'enable' && action !== 'disable') return [];
  const { services } = ctx.host;
  const found = new Set<string>();
  for (let wave = [u.name]; wave.length > 0 && found.size < MOST; ) {
    const next: string[] = [];
    for (const name of wave) {
      const files = await services.files(name, { signal: ctx.signal });
      if (files.value === null) {
        // Also= may name what is not installed.
        if (name !== u.name) continue;
        throw new OpsError('unavailable', `What else its file would ${action} cannot be read: ${files.why}`, {
          hint: `A person can ${action} it, on the host.`,
        });
      }
      for (const other of alsoIn(files.value.map((f) => f.text).join('\n'), u.name)) {
        if (other === u.name || found.has(other)) continue;
        found.add(other);
        next.push(other);
      }
    }
    wave = next;
  }
  for (const name of found) {
    const may = guardOf({ name, aliases: [] }, action, services.rules, services.self());
    if (may.refused !== undefined)
      throw new OpsError('permission', `To ${action} ${u.name} would ${action} ${name}, too (Also=): ${may.refused}`, {
        hint: may.hint,
      });
  }
  return [...found];
}

/** Of the [Install] section. Lines that go on behind a backslash are one. */
export function alsoIn(text: string, self: string): string[] {
  let section = '';
  const found: string[] = [];
  for (const line of text.replaceAll(/\\\n\s*/g, ' ').split('\n')) {
    const head = /^\s*\[(.+)\]\s*$/.exec(line)?.[1];
    if (head !== undefined) section = head;
    const value = /^\s*Also\s*=(.*)$/.exec(line)?.[1];
    if (section !== 'Install' || value === undefined) continue;
    found.push(...value.split(/\s+/).flatMap((word) => named(word, self)));
  }
  return found;
}

/** Specifiers that a name may have; what is no name then is none that systemd would take. */
function named(word: string, self: string): string[] {
  const instance = /@(.*)\.[a-z]+$/.exec(self)?.[1] ?? '';
  const prefix = self.replace(/(?:@.*)?\.[a-z]+$/, '');
  const name = word
    .replaceAll('%i', instance)
    .replaceAll('%I', instance)
    .replaceAll('%p', prefix)
    .replaceAll('%n', self)
    .replaceAll('%N', self.replace(/\.[a-z]+$/, ''));
  return isUnitName(name) && !isTemplate(name) ? [name] : [];
}
