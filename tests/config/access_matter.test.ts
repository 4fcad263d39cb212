/** Lines of roles and principals that can never fit are refused, each with its place and the nearest name. */
import { describe, expect, test } from 'vitest';
import { accessMustMatter } from '../../src/config/access_matter.ts';
import type { OpsError } from '../../src/core/errors.ts';

const tools = [{ name: 'container_list' }, { name: 'file_read' }];
const entry = { who: '*', roles: [], allow: [], deny: [] };
function refused(o: { roles?: object[]; principals?: object[]; issuers?: object[] }, whereOf?: never): OpsError | null {
  const { roles = [], principals = [], issuers = [] } = o;
  try {
    accessMustMatter({ config: { roles, principals, auth: { issuers } }, whereOf } as never, tools);
    return null;
  } catch (thrown) {
    return thrown as OpsError;
  }
}

describe('an item', () => {
  test.each([
    ['tool:contaner_list', 'no tool has such a name (nearest: container_list).'],
    ['tool:image_*', 'no tool has such a name.'],
    ['toolset:dokcer', 'there is no such toolset (nearest: docker).'],
    ['path:srv', 'a path begins with /.'],
    ['path:/srv/../etc', 'a path has no `..` in it.'],
    ['address:10.0.0.0/99', 'that is no network.'],
  ])('%s is refused', (item, why) => {
    for (const list of ['allow', 'deny']) {
      expect(refused({ principals: [{ ...entry, [list]: ['path:/ok', item] }] })?.message).toBe(
        `principals: principals[0].${list}[1]: ${JSON.stringify(item)}: ${why}`,
      );
      expect(refused({ roles: [{ name: 'r', ...entry, [list]: [item] }] })?.code).toBe('validation');
    }
  });

  test.each([
    'tool:*',
    'tool:file_*',
    'toolset:core',
    'toolset:*',
    'path:/srv',
    'path:*',
    'address:10.0.0.0/8',
    'address:*.x',
    'unit:x',
    'container:any',
  ])('%s is taken', (item) => {
    expect(refused({ principals: [{ ...entry, allow: [item], deny: [item] }] })).toBeNull();
  });
});

test('a role that nobody defined is refused, in entries and in claims; with its line where that is known', () => {
  const where = ((setting: string, within: unknown[]) =>
    setting === 'principals' ? `c.yaml:${within.length}` : null) as never;
  const error = refused(
    {
      roles: [{ name: 'deploy', ...entry }],
      principals: [{ ...entry, roles: ['admin', 'deplyo'] }],
      issuers: [{ roles: ['a=viewer', 'b=operato'] }],
    },
    where,
  );
  expect(error?.message.split('\n')).toEqual([
    'c.yaml:3: principals[0].roles[1]: nobody defined the role "deplyo" (nearest: deploy).',
    'auth.issuers: auth.issuers[0].roles[1]: nobody defined the role "operato" (nearest: operator).',
  ]);
  expect(error?.details.candidates).toEqual(expect.arrayContaining(['deploy', 'operator']));
});
