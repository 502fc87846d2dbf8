import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { findHelm } from '../control-plane/index.ts';
import { ROOT, type Rendered } from './manifests.ts';

const run = promisify(execFile);
export const CHART = join(ROOT, 'deploy/helm/consular');

/** Helm with the chart of the repository. Values are objects, and stand in a file while Helm runs. */
export class Helm {
  readonly #file: string;
  readonly #kubeconfig: string | undefined;

  private constructor(file: string, kubeconfig: string | undefined) {
    this.#file = file;
    this.#kubeconfig = kubeconfig;
  }

  /** @param kubeconfig of the server to install on; undefined for what needs none */
  static async open(kubeconfig?: string): Promise<Helm> {
    return new Helm((await findHelm()).file, kubeconfig);
  }

  /** What Helm prints. @throws Error with what it says when it refuses */
  async call(args: readonly string[], values: object = {}): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'consular-helm-'));
    try {
      const file = join(folder, 'values.json');
      await writeFile(file, JSON.stringify(values));
      const given = ['template', 'lint', 'install', 'upgrade'].includes(args[0] ?? '') ? ['--values', file] : [];
      const places = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
      const environment = {
        ...places,
        PATH: process.env.PATH,
        HOME: folder,
        KUBECONFIG: this.#kubeconfig ?? '/dev/null',
      };
      return (await run(this.#file, [...args, ...given], { env: environment, maxBuffer: 64 << 20 })).stdout;
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /**
   * The objects that the chart makes of these values, for a release of that name and namespace.
   * @throws Error with what Helm says when it refuses, and where a key stands twice, which Helm lets pass
   */
  async render(
    values: object,
    release = 'consular',
    namespace = 'consular',
    chart: string = CHART,
  ): Promise<Rendered[]> {
    const text = await this.call(['template', release, chart, '--namespace', namespace], values);
    return parseAllDocuments(text)
      .map((document) => {
        const [error] = document.errors;
        if (error) throw new Error(`render ${chart}: expected valid YAML`, { cause: error });
        return document.toJS() as Rendered | null;
      })
      .filter((object) => object !== null);
  }
}
