/** Parts of a host that it may lack, each with its toolset and a look that costs microseconds. What follows from that is policy's. */
import { statSync } from 'node:fs';
import type { Toolset } from '../core/scopes.ts';
import type { DockerSettings } from './docker/endpoint.ts';
import { dockerMissing } from './docker/missing.ts';
import { findJournal } from './journal/where.ts';
import { servicesMissing } from './services/without.ts';
import { rootAt } from './system/files.ts';

export interface HostPart {
  toolset: Toolset;
  /** Of its tools only this one, which can do nothing without the part. */
  tool?: string;
  what: string;
  missing(): { why: string; fix: string } | null;
}

interface PartsOf {
  docker: DockerSettings;
  /** Where the host's files are, as `host.root` says. */
  root: string;
  /** Folders that the owner has opened: logs may be files of these. */
  roots: readonly unknown[];
  /** Socket of tailscaled. */
  localApi: string;
}

export const hostParts = (o: PartsOf): HostPart[] => [
  { toolset: 'docker', what: 'containers (toolset docker)', missing: () => dockerMissing(o.docker) },
  {
    toolset: 'services',
    what: 'services (toolset services)',
    missing: () => servicesMissing(rootAt(o.root)),
  },
  { toolset: 'logs', what: 'logs (toolset logs)', missing: () => logsMissing(o) },
  { toolset: 'tailnet', what: 'the tailnet (toolset tailnet)', missing: () => tailnetMissing(o.localApi) },
];

/** One that is there and does not answer is not missing: the tool says why. */
function tailnetMissing(localApi: string): { why: string; fix: string } | null {
  try {
    if (statSync(localApi, { throwIfNoEntry: false })?.isSocket()) return null;
  } catch {
    return null; // In a folder that this user may not look into: nobody can tell.
  }
  return {
    why: `No tailscaled has its socket at ${localApi}.`,
    fix: 'Install Tailscale (https://tailscale.com/download), or set `tailnet.localApi` to its socket.',
  };
}

/** Any one source is enough: containers, the journal, or files. */
function logsMissing(o: PartsOf): { why: string; fix: string } | null {
  const docker = dockerMissing(o.docker);
  if (docker === null || o.roots.length > 0) return null;
  // That journalctl is there where a journal is kept is not worth what looking for programs costs a start: the tools say so where it is not.
  const journal = findJournal(rootAt(o.root), { has: () => true }).missing;
  if (!journal) return null;
  return {
    why: `${journal.why} ${docker.why}`,
    fix: 'Open a folder with log files (files.roots), or let this user read the journal (group systemd-journal).',
  };
}
