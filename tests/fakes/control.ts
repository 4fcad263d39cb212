/** Whom the owner allows, who we are, and who answers behind a port: all as a test says. */
import type { ControlHost, DockerRules, Knock, Self } from '../../src/core/docker_control.ts';

export interface FakeControl extends ControlHost {
  rules: DockerRules;
  is: Self;
  /** By port; what is not named is refused. */
  answers: Record<number, Knock>;
  knocked: string[];
}

export function fakeControl(rules: Partial<DockerRules> = {}): FakeControl {
  const fake: FakeControl = {
    rules: { allow: [], protect: [], mountRoots: [], ...rules },
    is: { ids: [], hostname: 'fake', inContainer: false },
    answers: {},
    knocked: [],
    self: () => fake.is,
    async knock({ host, port }) {
      fake.knocked.push(`${host}:${port}`);
      return fake.answers[port] ?? 'refused';
    },
  };
  return fake;
}
