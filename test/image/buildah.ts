import { join } from 'node:path';
import type { RunDirectory } from '../control-plane/index.ts';
import { command } from './command.ts';

/** Builds images without an engine: as root, in a storage of its own that is a plain folder of the run directory. */
export class Buildah {
  readonly #storage: readonly string[];

  constructor({ path }: RunDirectory) {
    this.#storage = [
      '--root',
      join(path, 'storage'),
      '--runroot',
      join(path, 'storage-run'),
      '--storage-driver',
      'vfs',
    ];
  }

  /** @returns what it wrote to its standard output */
  call(...args: readonly string[]): Promise<string> {
    return command('buildah', [...this.#storage, ...args]);
  }

  /** An image from nothing. @returns its name */
  async imageOf(name: string, fill: (container: string) => Promise<void>): Promise<string> {
    const container = await this.call('from', 'scratch');
    await fill(container);
    await this.call('commit', '--quiet', '--rm', container, name);
    return `localhost/${name}`;
  }
}
