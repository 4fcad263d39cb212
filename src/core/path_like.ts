/**
 * A pattern for paths as an owner writes it: `/srv` is that folder and everything below it, `*` any text. Pure, by names alone; that a name
 * leads where it says (no link on the way) is for who opens it.
 */
import { like } from './like.ts';

/** One spelling of an absolute path; null for what is none, or goes up. */
export function plainPath(text: string): string | null {
  if (!text.startsWith('/') || /[\0-\x1f\x7f]/.test(text)) return null;
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? null : `/${parts.join('/')}`;
}

/** Whether it fits the path itself or a folder above it. */
export function pathLike(pattern: string, path: string): boolean {
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1))
    if (like(pattern, path.slice(0, end))) return true;
  return path !== '/' && like(pattern, '/');
}
