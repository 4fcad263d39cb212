/** Whether this host has a container engine at all, without asking one: what decides if the toolset `docker` is offered. */
import { type DockerSettings, findEngines, type Machine, thisMachine, whyNone } from './endpoint.ts';

/** An engine that is known and does not answer is not missing: its tools say why, and what to do. */
export function dockerMissing(settings: DockerSettings, machine: Machine = thisMachine) {
  if (findEngines(settings, machine).length > 0) return null;
  const [why = '', fix = ''] = whyNone(machine).split(/(?<=\.) (?=Install )/);
  return { why, fix };
}
