import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const SET_AS_OWNER_OR_GROUP = 0o6000;
const READ_BY_ALL = 0o004;
const WRITTEN_BY_OTHERS = 0o022;

export interface FileInImage {
  /** In the image. */
  readonly path: string;
  readonly size: number;
  readonly changedMs: number;
  readonly owner: number;
  readonly isReadable: boolean;
  /** By its group, or by everybody. */
  readonly isChangeable: boolean;
  readonly isSetuid: boolean;
}

/** Every file and link below the folder that is an image's root, in order; devices are the runtime's. */
export function filesOf(root: string): FileInImage[] {
  return pathsBelow(root, '')
    .filter((path) => !path.startsWith('/dev/'))
    .map((path) => ({ path, stat: lstatSync(join(root, path)) }))
    .map(({ path, stat }) => ({
      ...{ path, size: stat.size, changedMs: stat.mtimeMs, owner: stat.uid },
      isReadable: (stat.mode & READ_BY_ALL) !== 0,
      isChangeable: !stat.isSymbolicLink() && (stat.mode & WRITTEN_BY_OTHERS) !== 0,
      isSetuid: (stat.mode & SET_AS_OWNER_OR_GROUP) !== 0,
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A link is not followed: it may lead out of the image. */
function pathsBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? pathsBelow(root, path) : [path];
  });
}
