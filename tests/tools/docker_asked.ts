/** Container tools as a caller has them: through the real door, on the fake engine or a real one. */

import type { DockerHost } from '../../src/core/docker.ts';
import type { OpsError } from '../../src/core/errors.ts';
import type { Tool } from '../../src/core/tool.ts';
import { containerInspect } from '../../src/tools/container_inspect.ts';
import { containerList } from '../../src/tools/container_list.ts';
import { dockerSystem } from '../../src/tools/docker_system.ts';
import { imageList } from '../../src/tools/image_list.ts';
import { stackList } from '../../src/tools/stack_list.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig, who } from '../fakes/policy.ts';

const tools: Tool[] = [containerList, containerInspect, imageList, dockerSystem, stackList];

export async function asked<A>(
  docker: DockerHost & { nowMs?: number },
  tool: string,
  args: unknown = {},
): Promise<{ data: A; text: string; paths: string[] }> {
  const { door, policy, clock } = rig({ catalog: { tools, resources: [], prompts: [] } });
  policy.context.host = { ...fakeHost(), docker };
  clock.now = () => docker.nowMs ?? Date.now();
  const call = callOf(tool, args, { principal: who('token:viewer', ['docker:read']), face: 'mcp-stdio' });
  const outcome = await door.run(call);
  if (outcome.status === 'done')
    return {
      data: outcome.data as A,
      text: outcome.text.replaceAll(/untrusted [0-9a-f]{8}/g, 'untrusted NONCE'),
      paths: outcome.foreignPaths,
    };
  throw (outcome as { error: OpsError }).error;
}
