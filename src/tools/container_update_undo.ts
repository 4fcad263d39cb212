/**
 * The way back of an update, also of one that never told its end. Decides, by names and ids as they stand now, how far it came, whether
 * what stands under the name is what that update made, and whether anything is left to take back.
 */
import type { ToolContext } from '../core/call.ts';
import type { ContainerDetail, ContainerSummary } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import { rfc3339 } from '../core/text.ts';
import type { Undo, Undoable } from '../core/tool.ts';
import { guard, phaseOf, standing, steadily } from './container_change.ts';
import type { UpdateInput } from './container_update.ts';
import { isNew, putBack, type Way } from './container_update_back.ts';
import { toEngine } from './docker_parts.ts';

/** Clocks of an engine elsewhere are not ours. */
const SKEW_MS = 300_000;

export const containerUpdateUndo: Extract<Undo<UpdateInput>, { kind: 'revert' }> = {
  kind: 'revert',

  async preview(receipt, ctx) {
    const { old, news, nothing, way } = await now(receipt, ctx);
    const digest = JSON.stringify([old.id, old.name, phaseOf(old.state), news.map((n) => n.id)]);
    if (nothing)
      return {
        summary: `${way.name} is the container that it was: there is nothing to take back.`,
        before: standing(old),
        digest,
      };
    const summary = [
      news.length > 0
        ? `Remove the container ${news.map((n) => `${n.name} (${n.id.slice(0, 12)})`).join(', ')} that the update made, with what it wrote outside of volumes;`
        : null,
      `${news.length > 0 ? 'give' : 'Give'} ${old.name === way.name ? old.name : `${old.name} its name ${way.name} again`} and start it, with its image ${old.image}.`,
    ];
    return { summary: summary.filter((s) => s !== null).join(' '), before: standing(old), digest };
  },

  async revert(receipt, ctx) {
    const { old, news, nothing, way } = await now(receipt, ctx);
    if (nothing)
      return { summary: `${way.name} is the container that it was: nothing was changed.`, after: standing(old) };
    ctx.commit();
    const to = steadily(toEngine(receipt.input.engine, ctx));
    const end = await putBack(
      way,
      news.map((n) => n.id),
      ctx,
      to,
      'The update could not be taken back',
    );
    return {
      summary: `${way.name} is the old container again, ${end.reached ? 'running' : `but ${end.why}`}.`,
      after: end.is ? standing(end.is) : { container: way.name, state: null },
    };
  },
};

async function now(receipt: Undoable<UpdateInput>, ctx: ToolContext) {
  const way = receipt.data as unknown as Way & { newId?: string };
  const to = toEngine(receipt.input.engine, ctx);
  const all = await ctx.host.docker.containers.list({ ...to, all: true });
  const look = { hint: 'Look with container_list; what is wanted can be done by calls of its own.' };
  if (!all.some((x) => x.id === way.oldId))
    throw new OpsError(
      'conflict',
      `The container that was kept (${way.oldName}) has been removed since: there is no way back.`,
      look,
    );
  const old = await ctx.host.docker.containers.inspect(way.oldId, to);
  await guard(old, 'update', ctx, to);
  const holder = all.find((x) => x.name === way.name && x.id !== way.oldId);
  if (holder) await guard(await ctx.host.docker.containers.inspect(holder.id, to), 'update', ctx, to);
  const news = all.filter((x) => isNew(x, way, way.newId === undefined ? [] : [way.newId]));
  if (holder && !news.includes(holder) && madeByIt(holder, old, way, receipt)) news.push(holder);
  const finished = receipt.state === 'done';

  if (old.name === way.name) {
    // It was put back by the update itself, or that never came to the names.
    if (finished && way.newId !== undefined)
      throw new OpsError('conflict', `${way.name} is the old container already: somebody else has put it back.`, look);
    return { way, old, news, nothing: news.length === 0 && phaseOf(old.state) === 'up' };
  }
  if (old.name !== way.oldName)
    throw new OpsError('conflict', `The container that was kept is called ${old.name} now, not ${way.oldName}.`, look);
  if (holder && !news.includes(holder))
    throw new OpsError(
      'conflict',
      `${way.name} is another container now than the update made: ${holder.id.slice(0, 12)}, made ${rfc3339(holder.createdAtMs)}.`,
      look,
    );
  if (!holder && finished)
    throw new OpsError(
      'conflict',
      `What the update made has been removed or renamed since: there is no ${way.name} now.`,
      look,
    );
  return { way, old, news, nothing: false };
}

/** Only for one that never told its end, and so not which container it made. */
function madeByIt(
  x: ContainerSummary,
  old: ContainerDetail,
  way: Way & { newId?: string },
  receipt: Undoable<UpdateInput>,
): boolean {
  if (receipt.state === 'done' || way.newId !== undefined) return false;
  return old.name === way.oldName && x.image === way.image && x.createdAtMs >= way.begunAtMs - SKEW_MS;
}
