/** What becomes part of a request's path to the engine: names are names, and nothing that makes another request of it gets through. */
import { describe, expect, test } from 'vitest';
import { IMAGE_SOURCE, imageParts, isContainerRef, isImageRef } from '../../src/core/docker_refs.ts';
import { ContainerRef, ImageRef, StackName } from '../../src/core/schema.ts';

const HEX = 'a'.repeat(64);
const naive = (ref: string) => new URL(`http://docker/images/${ref}/json`);

describe('an image', () => {
  test.each([
    ['nginx', 'nginx', null, null],
    ['nginx:1.29', 'nginx', '1.29', null],
    ['team/app', 'team/app', null, null],
    ['localhost/app:x', 'localhost/app', 'x', null],
    ['registry.example:5000/team/app:1.2', 'registry.example:5000/team/app', '1.2', null],
    [`ghcr.io/a/b@sha256:${HEX}`, 'ghcr.io/a/b', null, `sha256:${HEX}`],
    [`a:1@sha256:${HEX}`, 'a', '1', `sha256:${HEX}`],
    [`sha256:${HEX}`, `sha256:${HEX}`, null, null],
    [HEX, HEX, null, null],
  ])('%s', (text, repository, tag, digest) => {
    expect(imageParts(text)).toEqual({ repository, tag, digest });
    expect([isImageRef(text), ImageRef().safeParse(text).success]).toEqual([true, true]);
    expect(new RegExp(`^(?:${IMAGE_SOURCE}|(?:sha256:)?[0-9a-f]{64})$`).test(text)).toBe(true);
  });

  test.each([
    ['nothing', ''],
    ['more than the engine takes', `a/${'b'.repeat(254)}`],
    ['a digest that is none', 'nginx@sha256:abc'],
    ['a tag that is none', 'nginx:-x'],
    ['an empty tag', 'nginx:'],
    ['a registry that is no host', '-x.example/app'],
    ['a registry with a port that is none', 'example.org:port/app'],
    ['capitals where no registry can stand', 'Nginx'],
    ['an empty part', 'a//b'],
  ])('%s is none', (_, text) => {
    expect(imageParts(text)).toBeNull();
    expect(ImageRef().safeParse(text).success).toBe(false);
  });

  test.each([
    'x/archive?path=/etc/shadow',
    '../containers/db/archive?path=/etc',
    'x#',
    'a/../../../secrets',
    'x%2f..%2fy',
  ])('%s is none, which put into the path would be another request', (text) => {
    // Control: the naive way asks the engine for something else than this image.
    expect(naive(text).pathname).not.toBe(`/images/${encodeURIComponent(text)}/json`);
    expect([isImageRef(text), isContainerRef(text)]).toEqual([false, false]);
    expect(ImageRef().safeParse(text).success).toBe(false);
    expect(ContainerRef().safeParse(text).success).toBe(false);
  });
});

test('a container and a stack have names of their own grammar, as long as they may be and no longer', () => {
  for (const text of ['web', 'Web_1.x-y', 'a'.repeat(128)]) expect(isContainerRef(text)).toBe(true);
  for (const text of ['', '-web', '_web', 'a b', 'a/b', 'web\n', 'a'.repeat(129)]) {
    expect(isContainerRef(text)).toBe(false);
    expect(ContainerRef().safeParse(text).success).toBe(false);
  }
  for (const text of ['shop', '0shop-x_y']) expect(StackName().safeParse(text).success).toBe(true);
  for (const text of ['Shop', '-shop', '../shop', 'shop\n']) expect(StackName().safeParse(text).success).toBe(false);
});
