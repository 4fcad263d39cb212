/** Findings about containers, from a list of them alone: what needs an inspection of each is container_list's to say. */
import type { ContainerSummary } from '../core/docker.ts';
import { type Facts, hitOf, type Rule, rule } from './facts.ts';

const those = ({ containers }: Facts, wanted: (c: ContainerSummary) => boolean, least: number) => {
  const found = (containers?.value ?? []).filter(wanted);
  return found.length >= least ? hitOf(found.map((c) => ({ evidence: c.name, subject: c.name }))) : null;
};

export const CONTAINERS: Rule[] = [
  rule({
    id: 'containers_restarting',
    severity: 'high',
    title: 'Containers in a restart loop',
    limits: { containers: 1 },
    when: (l) => `${l.containers} or more containers that the engine is about to start again`,
    sentence: 'Containers end again and again; the engine starts them each time.',
    next: 'diagnose {"problem":"down","target":"container:{CONTAINER}"}',
    test: (f, l) => those(f, (c) => c.state === 'restarting', l.containers),
  }),
  rule({
    id: 'containers_unhealthy',
    severity: 'high',
    title: 'Unhealthy containers',
    limits: { containers: 1 },
    when: (l) => `${l.containers} or more running containers whose healthcheck fails`,
    sentence: 'Containers run, but their own healthchecks fail.',
    next: 'diagnose {"problem":"down","target":"container:{CONTAINER}"}',
    test: (f, l) => those(f, (c) => c.state === 'running' && c.health === 'unhealthy', l.containers),
  }),
  rule({
    id: 'containers_dead',
    severity: 'medium',
    title: 'Dead containers',
    limits: { containers: 1 },
    when: (l) => `${l.containers} or more containers in state dead`,
    sentence: 'The engine could not remove containers wholly, mostly because something still uses their files.',
    next: 'container_list {"state":"dead"}',
    test: (f, l) => those(f, (c) => c.state === 'dead', l.containers),
  }),
];
