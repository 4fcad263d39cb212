/**
 * Targets must be honest: what a call names is its target also where it only reads, or the owner's lists would bound nothing. Every
 * argument that can name a thing of the host stands here, with what it must declare, or with the reason why it names nothing.
 */
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Target } from '../src/core/tool.ts';
import { catalog } from '../src/tools/index.ts';

/** Arguments of these names can name things. */
const NAMING =
  /^(container|image|stack|unit|path|from|to|source|targets?|server|peer|pid|parent|process|project|receipt|handle|name|engine)$/;

const A = (kind: Target['kind'], name: string): Target => ({ kind, name });
/** A call, and all of its targets. */
const CALLS: [tool: string, args: Record<string, unknown>, targets: Target[]][] = [
  ['process_signal', { pid: 4711, start: 1, name: 'nginx', signal: 'TERM' }, [A('process', 'nginx:4711')]],
  ['container_inspect', { container: 'db' }, [A('container', 'db')]],
  ['container_inspect', { container: 'db', engine: 'prod' }, [{ ...A('container', 'db'), engine: 'prod' }]],
  [
    'container_control',
    { container: 'db', action: 'stop', engine: 'prod' },
    [{ ...A('container', 'db'), engine: 'prod' }],
  ],
  ['container_update', { container: 'db', image: 'pg:17' }, [A('container', 'db'), A('image', 'pg:17')]],
  ['container_remove', { container: 'db' }, [A('container', 'db')]],
  ['image_pull', { image: 'nginx' }, [A('image', 'nginx')]],
  ['image_remove', { image: 'nginx' }, [A('image', 'nginx')]],
  ['stack_apply', { stack: 'shop', verb: 'up' }, [A('stack', 'shop')]],
  ['log_query', { source: ['container:prod/db'] }, [A('container', 'prod/db')]],
  [
    'log_query',
    { source: ['unit:nginx', 'file:/var/log/x', 'journal:'] },
    [A('unit', 'nginx.service'), A('path', '/var/log/x'), A('unit', '*')],
  ],
  ['log_digest', { source: ['journal:sshd', 'container:db'] }, [A('unit', '*'), A('container', 'db')]],
  ['service_status', { unit: 'nginx' }, [A('unit', 'nginx.service')]],
  ['service_control', { unit: 'nginx', action: 'stop' }, [A('unit', 'nginx.service')]],
  ['file_list', { path: '/srv' }, [A('path', '/srv')]],
  ['file_list', { path: 'file:///srv/%C3%A9' }, [A('path', '/srv/é')]],
  ['file_read', { path: 'file:///srv/a%20b' }, [A('path', '/srv/a b')]],
  ['file_search', { path: '/srv', grep: 'x' }, [A('path', '/srv')]],
  ['file_download', { path: 'file:///srv/x' }, [A('path', '/srv/x')]],
  ['file_write', { path: '/srv/x', content: 'y' }, [A('path', '/srv/x')]],
  ['file_edit', { path: '/srv/x', edits: [{ find: 'a', put: 'b' }] }, [A('path', '/srv/x')]],
  ['file_move', { from: '/srv/x', to: '/etc/x' }, [A('path', '/srv/x'), A('path', '/etc/x')]],
  ['file_delete', { path: '/srv/x' }, [A('path', '/srv/x')]],
  ['file_upload', { path: '/srv/x', from: '/etc/passwd' }, [A('path', '/srv/x'), A('path', '/etc/passwd')]],
  ['net_probe', { kind: 'tcp', targets: ['10.0.0.5:22'] }, [A('address', '10.0.0.5:22')]],
  [
    'net_probe',
    { kind: 'dns', targets: ['a.example'], server: ['10.0.0.53'] },
    [A('address', 'a.example'), A('address', '10.0.0.53')],
  ],
  ['net_connections', { container: 'db' }, [A('container', 'db')]],
  ['net_bandwidth', { peer: 'cellar' }, [A('address', 'peer:cellar')]],
  ['diagnose', { problem: 'down', target: 'container:db' }, [A('container', 'db')]],
  ['diagnose', { problem: 'down', target: 'unit:nginx' }, [A('unit', 'nginx.service')]],
  ['diagnose', { problem: 'disk_full', target: '/srv' }, [A('path', '/srv')]],
  ['diagnose', { problem: 'unreachable', target: 'https://10.0.0.5/x' }, [A('address', 'https://10.0.0.5/x')]],
];

const FILTER = 'takes from a list of everything, which has no target: who must not see names must not have the tool';
/** Arguments that name nothing, and why. */
const NOT: Record<string, string> = {
  'process_list.name': FILTER,
  'process_list.parent': FILTER,
  'container_list.name': FILTER,
  'container_list.project': FILTER,
  'container_list.image': FILTER,
  'image_list.name': FILTER,
  'stack_list.name': FILTER,
  'service_list.name': FILTER,
  'net_connections.process': FILTER,
  'net_connections.peer': FILTER,
  'audit_search.target': FILTER,
  'audit_search.from': 'a place in the audit, from the answer before',
  'result_query.handle': 'its tool, scopes and targets are asked about again (policy/results.ts)',
  'undo.receipt': 'it has the targets of the change that it takes back',
};
const ENGINE = [
  'container_list',
  'image_list',
  'docker_system',
  'stack_list',
  'image_pull',
  'image_remove',
  'stack_apply',
];

describe.each(CALLS)('%s %j', (name, args, targets) => {
  test('declares what it names', () => {
    const tool = catalog.tools.find((t) => t.name === name);
    const parsed = tool?.input.safeParse(args);
    // Arguments that are no call would prove nothing.
    if (!parsed?.success && name !== 'process_signal' && name !== 'file_edit') expect(parsed?.error).toBeUndefined();
    expect(tool?.targets?.(parsed?.data ?? args)).toEqual(targets);
  });
});

test('every argument that can name a thing stands in one of the lists', () => {
  const tried = new Set(CALLS.flatMap(([tool, args]) => Object.keys(args).map((key) => `${tool}.${key}`)));
  const missing = catalog.tools.flatMap((tool) => {
    const { properties = {} } = z.toJSONSchema(tool.input, { io: 'input' }) as { properties?: Record<string, unknown> };
    return Object.keys(properties)
      .filter((key) => NAMING.test(key))
      .map((key) => `${tool.name}.${key}`)
      .filter((at) => !tried.has(at) && !Object.hasOwn(NOT, at))
      .filter((at) => !at.endsWith('.engine') || !ENGINE.includes(tool.name));
  });
  // Of a container's tools the engine stands beside its name; one line above shows it for each kind of call.
  expect(missing.filter((at) => !/^container_(update|remove)\.engine$/.test(at))).toEqual([]);
  const stale = Object.keys(NOT).filter((at) => tried.has(at));
  expect(stale).toEqual([]);
});
