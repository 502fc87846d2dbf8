import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * A Go module that comes with the definitions of custom resources. A folder beside this file has its version and sum, in go.mod and
 * go.sum; Go fetches and checks it once, and it is read where Go keeps modules.
 */
interface Source {
  /** For people. */
  readonly title: string;
  readonly folder: string;
  readonly module: string;
  /** Of the definitions, within the module. */
  readonly files: readonly string[];
}

const ISTIO: Source = {
  title: 'Istio',
  folder: 'istio',
  module: 'istio.io/api',
  files: ['kubernetes/customresourcedefinitions.gen.yaml'],
};

/** Of the ten kinds that the operator has, those that the chart makes. */
const PROMETHEUS_OPERATOR: Source = {
  title: 'the Prometheus operator',
  folder: 'prometheus-operator',
  module: 'github.com/prometheus-operator/prometheus-operator',
  files: ['podmonitors', 'servicemonitors', 'prometheusrules'].map(
    (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
  ),
};

/** The definitions of Istio's custom resources, as YAML. */
export function readIstioDefinitions(): Promise<string> {
  return read(ISTIO);
}

/** The Prometheus operator's definitions of PodMonitors, ServiceMonitors and PrometheusRules, as YAML. */
export function readPrometheusDefinitions(): Promise<string> {
  return read(PROMETHEUS_OPERATOR);
}

async function read(source: Source): Promise<string> {
  const { Dir: directory } = JSON.parse(await download(source)) as { Dir: string };
  const texts = await Promise.all(source.files.map((file) => readFile(join(directory, file), 'utf8')));
  return texts.join('\n---\n');
}

async function download({ title, folder, module }: Source): Promise<string> {
  try {
    const directory = fileURLToPath(new URL(`./${folder}/`, import.meta.url));
    const environment = { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=readonly' };
    const { stdout } = await run('go', ['mod', 'download', '-json', module], { cwd: directory, env: environment });
    return stdout;
  } catch (cause) {
    // Go says on standard output what went wrong with the module, and on standard error what went wrong with the rest.
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
    throw new Error(
      `Cannot read the custom resource definitions of ${title}. They need Go 1.26 or later, also where the control plane comes ` +
        `ready made: ${[stdout, stderr].join('\n').trim()}`,
      { cause },
    );
  }
}
