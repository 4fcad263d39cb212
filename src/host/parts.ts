/** Parts of a host that it may lack, each with its toolset and a look that costs microseconds. What follows from that is policy's. */
import type { DockerSettings } from './docker/endpoint.ts';
import { dockerMissing } from './docker/missing.ts';

export const hostParts = (o: { docker: DockerSettings }) => [
  { toolset: 'docker' as const, what: 'containers (toolset docker)', missing: () => dockerMissing(o.docker) },
  // Logs are those of containers, as long as no other source is read.
  { toolset: 'logs' as const, what: 'logs (toolset logs)', missing: () => dockerMissing(o.docker) },
  // Of containers only, as long as nothing else can be diagnosed.
  {
    toolset: 'triage' as const,
    tool: 'diagnose',
    what: 'diagnose',
    missing: () => dockerMissing(o.docker),
  },
];
