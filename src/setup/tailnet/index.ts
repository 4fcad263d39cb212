/**
 * This server's offer on the tailnet: config and `tailscale serve`, planned first and applied as a whole. When `serve` fails, the config
 * is put back as it was. Whether it holds is asked of tailscaled afterwards, and not concluded from an exit code.
 */
import type { Wanted } from '../../config/added.ts';
import { OpsError, toOpsError } from '../../core/errors.ts';
import type { TailnetStatus } from '../../core/tailnet.ts';
import { type Exec, exec } from '../../host/exec.ts';
import { createTailnet } from '../../host/tailnet/index.ts';
import { leadsToSocket } from '../../host/tailnet/targets.ts';
import { type ConfigPlan, planConfig, writeConfig } from './config_file.ts';
import { LOCAL_API, type ServePlan, servePlan, standing, type Wish } from './plan.ts';

export { EXAMPLE, policyParts, serviceFile } from './policy_file.ts';
export type { Wish };

/** Asked at a terminal: a look-up of certificates, or a policy that makes it ask, takes its time. */
const SERVE_MS = 30_000;
const MOST_BYTES = 64 * 1024;

export interface SetupWish extends Wish {
  capability: string | null;
  allow: readonly { who: string; role: string }[];
}

export interface Plan {
  config: ConfigPlan;
  /** Null: tailscaled could not be asked. */
  serve: ServePlan | null;
}

export interface TailnetSays {
  status: TailnetStatus | null;
  serve: Parameters<typeof servePlan>[1]['serve'] | null;
}

export async function planSetup(file: string, wish: SetupWish, says: TailnetSays): Promise<Plan> {
  const leadsHere = leadsToSocket(wish.socket);
  const { status, serve } = says;
  return {
    config: await planConfig(file, wantedOf(wish)),
    serve: status && serve && servePlan(wish, { status, serve, leadsHere }),
  };
}

function wantedOf(wish: SetupWish): Wanted[] {
  const set = (key: string, value: string | null) => (value === null ? [] : [{ group: 'tailnet', key, value }]);
  return [
    ...set('socket', wish.socket),
    ...set('localApi', wish.localApi === LOCAL_API ? null : wish.localApi),
    ...set('service', wish.service),
    ...set('capability', wish.capability),
    ...wish.allow,
  ];
}

export interface Applied {
  backup: string | null;
}

export async function applySetup(
  plan: Plan & { serve: ServePlan },
  wish: SetupWish,
  o: { now: number; signal: AbortSignal; exec?: Exec },
): Promise<Applied> {
  const written = await writeConfig(plan.config, o.now);
  if (!plan.serve.needed) return { backup: written.backup };
  try {
    await runServe(plan.serve.args, o);
  } catch (thrown) {
    written.takeBack();
    throw thrown;
  }
  const config = await createTailnet({ socket: wish.localApi }).serveConfig({ signal: o.signal });
  if (standing(wish, config, leadsToSocket(wish.socket)) === null)
    throw new OpsError('unavailable', 'tailscale serve ended well, and tailscaled serves no such way all the same.', {
      hint: `Look at \`tailscale serve status\`. The settings stand in ${plan.config.file}; run this again when it is mended.`,
    });
  return { backup: written.backup };
}

async function runServe(args: readonly string[], o: { signal: AbortSignal; exec?: Exec }): Promise<void> {
  const run = o.exec ?? exec;
  let ended: Awaited<ReturnType<Exec>>;
  try {
    ended = await run({ binary: 'tailscale', args, timeoutMs: SERVE_MS, maxBytes: MOST_BYTES, signal: o.signal });
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (error.code === 'timeout')
      throw new OpsError('timeout', 'tailscale serve did not end: it may wait for somebody to enable HTTPS.', {
        hint: `Run it by hand and see what it asks: sudo tailscale ${args.join(' ')}`,
        cause: thrown,
      });
    throw new OpsError(error.code, error.message, {
      hint: `In a container of Tailscale’s, run it there: tailscale ${args.join(' ')}`,
      cause: thrown,
    });
  }
  if (ended.code === 0) return;
  const said = (ended.stderr || ended.stdout).trim().split('\n').slice(0, 4).join(' ').slice(0, 400);
  const denied = /access denied|permission denied|must be root/i.test(said);
  throw new OpsError(denied ? 'permission' : 'unavailable', `tailscale serve failed: ${said || 'it said nothing'}`, {
    hint: denied
      ? 'Run it as root, or make this user the operator: sudo tailscale set --operator=$USER'
      : `Nothing was changed. By hand: sudo tailscale ${args.join(' ')}`,
  });
}
