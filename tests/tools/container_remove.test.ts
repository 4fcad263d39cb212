import { describe, expect, it } from 'vitest';
import { containerRemove } from '../../src/tools/container_remove.ts';
import { imagePull } from '../../src/tools/image_pull.ts';
import { imageRemove } from '../../src/tools/image_remove.ts';
import { fakeContainer, fakeImage } from '../fakes/docker_parts.ts';
import { data, failure, fastTimers, house as houseOf } from './docker_changes.ts';

fastTimers();
const exited = { state: 'exited' as const, exitCode: 0, finishedAtMs: 5, pid: null };
const volume = (name: string, destination: string) => ({
  type: 'volume',
  source: `/v/${name}`,
  destination,
  writable: true,
  name,
});
const mounts = [volume('a'.repeat(64), '/tmp/x'), volume('web_data', '/data')];

describe('container_remove', () => {
  const house = (over = {}, o = {}) =>
    houseOf([containerRemove], { containers: [fakeContainer('web', { mounts, ...over })] }, o);

  it('says what is lost and what stays, and waits for a yes', async () => {
    const h = house(exited);
    const out = await h.call('container_remove', { container: 'web' });
    expect(out.status).toBe('pending');
    expect(data(out).summary).toBe(
      'Remove the container web for good. What it wrote outside of volumes (12.0 KiB) is lost. Its anonymous volume (aaaaaaaaaaaa) stays, without a container that knows it. web_data stays.',
    );
    expect(
      data(await h.call('container_remove', { container: 'web', volumes: true, dry_run: true })).summary,
    ).toContain(
      'Its anonymous volume (aaaaaaaaaaaa) and the data in it are lost, unless another container uses it. web_data stays.',
    );
    expect(h.done()).toEqual([]);
    h.yes();
    expect(data(await h.call('container_remove', { container: 'web' }))).toMatchObject({
      state: 'done',
      summary: 'web is removed.',
      before: { image: 'nginx:1.27', writtenBytes: 12_288 },
      next: expect.stringContaining('cannot be undone here: what it wrote'),
    });
    expect(h.docker.engine.containers).toEqual([]);
  });

  it('one that runs goes by force only', async () => {
    const h = house();
    h.yes();
    expect(failure(await h.call('container_remove', { container: 'web' }))).toMatchObject({
      code: 'conflict',
      hint: expect.stringContaining('force'),
    });
    expect(data(await h.call('container_remove', { container: 'web', force: true })).summary).toBe('web is removed.');
  });

  it('needs the right to remove, and never what is protected', async () => {
    const none = { rules: { allow: [] } };
    expect(
      failure(
        await house({ ...exited, labels: { 'deckhand.allow': 'control,update' } }, none).call('container_remove', {
          container: 'web',
        }),
      ),
    ).toMatchObject({ code: 'permission', hint: expect.stringContaining('deckhand.allow=remove') });
    expect(
      failure(
        await house({ ...exited, labels: { 'deckhand.protect': 'true' } }).call('container_remove', {
          container: 'web',
        }),
      ),
    ).toMatchObject({ code: 'permission' });
  });

  it('what an update kept goes under the rule of the name it had, and it is said what that costs', async () => {
    const { id } = fakeContainer('web');
    const name = `web-deckhand-old-${id.slice(0, 12)}`;
    const h = houseOf(
      [containerRemove],
      { containers: [fakeContainer('x', { ...exited, id, name })] },
      { rules: { allow: ['web'] } },
    );
    expect(data(await h.call('container_remove', { container: name })).summary).toContain('cannot be undone any more');
    const forged = houseOf(
      [containerRemove],
      { containers: [fakeContainer('x', { ...exited, name })] },
      { rules: { allow: ['web'] } },
    );
    expect(failure(await forged.call('container_remove', { container: name }))).toMatchObject({ code: 'permission' });
  });
});

const NEWER = `sha256:${'ab'.repeat(32)}`;

describe('image_pull', () => {
  const house = () =>
    houseOf([imagePull], {
      images: [fakeImage('nginx:1.27', { usedBy: ['web'] }), fakeImage('redis:8', { digests: [`redis@${NEWER}`] })],
      registry: { 'nginx:1.27': { value: NEWER }, 'redis:8': { value: NEWER }, 'new:latest': { value: NEWER } },
    });

  it('tells before and after, and who goes on with the old', async () => {
    const h = house();
    const told: unknown[] = [];
    expect(data(await h.call('image_pull', { image: 'nginx:1.27', dry_run: true })).summary).toMatch(
      /^Pull nginx:1.27 \(abababababab\), which is \w{12} of 200 MiB here now. web goes on with the image as it is.$/,
    );
    const answer = data(await h.call('image_pull', { image: 'nginx:1.27' }, { progress: (p) => void told.push(p) }));
    expect(answer.summary).toMatch(
      /^nginx:1.27 is abababababab of 1 B now; before it was \w{12}, which stays without this tag.$/,
    );
    expect(answer.after).toMatchObject({ digest: NEWER });
    expect(told).toEqual([{ done: 1, total: 1, text: '1 layers, 1 B of 1 B' }]);
  });

  it('up to date is no change; no tag is latest; an id is no name', async () => {
    const h = house();
    expect(data(await h.call('image_pull', { image: 'redis:8' })).summary).toBe(
      'redis:8 is up to date; nothing was changed.',
    );
    expect(h.done()).toEqual([]);
    expect(data(await h.call('image_pull', { image: 'new' })).summary).toContain('new:latest is');
    expect(failure(await h.call('image_pull', { image: 'a'.repeat(64) }))).toMatchObject({ code: 'validation' });
    expect(failure(await h.call('image_pull', { image: 'not/there:1' }))).toMatchObject({ code: 'not_found' });
  });

  it.each(['x?fromSrc=-', '../x', 'nginx:1.27\n', 'http://evil/x', 'A B', '-x'])(
    'a hostile name never reaches the engine: %j',
    async (image) => {
      const h = house();
      expect(failure(await h.call('image_pull', { image }))).toMatchObject({ code: 'validation' });
      expect(h.docker.asked).toEqual([]);
    },
  );

  it('the tag moved between the yes and the effect: nothing is pulled', async () => {
    const h = house();
    const { decide } = h.policy.approvals;
    h.policy.approvals.decide = (request) => {
      h.docker.engine.registry['nginx:1.27'] = { value: `sha256:${'ef'.repeat(32)}` };
      return decide(request);
    };
    expect(failure(await h.call('image_pull', { image: 'nginx:1.27' }))).toMatchObject({ code: 'conflict' });
    expect(h.done()).toEqual([]);
  });
});

describe('image_remove', () => {
  const dangling = (n: string, over = {}) => fakeImage(null, { id: `sha256:${n.repeat(64)}`, ...over });
  const house = () => {
    const h = houseOf([imageRemove], {
      images: [
        fakeImage('nginx:1.27', { usedBy: ['web'] }),
        fakeImage('redis:8'),
        fakeImage('two:1', { tags: ['two:1', 'two:latest'] }),
        dangling('a'),
        dangling('b'),
        dangling('c', { usedBy: ['old'] }),
      ],
    });
    return h;
  };

  it('exactly one of image and dangling', async () => {
    for (const args of [{}, { image: 'redis:8', dangling: true }, { dangling: false }])
      expect(failure(await house().call('image_remove', args))).toMatchObject({ code: 'validation' });
  });

  it('lists what goes and what that frees, and asks', async () => {
    const h = house();
    const out = await h.call('image_remove', { dangling: true });
    expect(out.status).toBe('pending');
    expect(data(out).summary).toBe('Remove 2 images (aaaaaaaaaaaa, bbbbbbbbbbbb); that frees 240 MiB.');
    expect(data(await h.call('image_remove', { image: 'redis:8' })).summary).toMatch(
      /^Remove the image redis:8 \(\w{12}\); that frees 120 MiB.$/,
    );
    expect(failure(await h.call('image_remove', { image: 'nginx:1.27' }))).toMatchObject({
      code: 'conflict',
      message: 'nginx:1.27 is used by web.',
    });
    expect(data(await h.call('image_remove', { image: 'two' })).summary).toContain('Take the tag two:latest off');
    expect(h.done()).toEqual([]);
  });

  it('what was shown goes, one by one; what cannot stays and is named', async () => {
    const h = house();
    h.yes();
    const { remove } = h.docker.images;
    h.docker.images.remove = async (ref, o) => {
      if (ref.startsWith('sha256:b')) h.docker.engine.images.find((x) => x.id === ref)?.usedBy.push('new');
      return remove(ref, o);
    };
    expect(data(await h.call('image_remove', { dangling: true }))).toMatchObject({
      summary:
        'One image is removed; that frees 120 MiB. bbbbbbbbbbbb could not be removed: others are built on it, or use it now.',
      after: { deleted: 1, stays: ['bbbbbbbbbbbb'] },
    });
    expect(h.docker.asked).not.toContain('prune');
  });

  it('another one without a tag since the yes: not taken along', async () => {
    const h = house();
    h.policy.approvals.decide = () => {
      h.docker.engine.images.push(dangling('d'));
      return { verdict: 'granted', by: 'test' };
    };
    expect(failure(await h.call('image_remove', { dangling: true }))).toMatchObject({ code: 'conflict' });
    expect(h.docker.engine.images).toHaveLength(7);
  });
});
