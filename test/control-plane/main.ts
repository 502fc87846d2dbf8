import { parseArgs } from 'node:util';
import { startControlPlane, type ControlPlane } from './index.ts';

const HELP = `Usage: npm run control-plane [-- --acl]

Starts a real control plane on the loopback address, for development: etcd, kube-apiserver, kube-controller-manager and
Consul with its UI. It prints what to export, stays until Ctrl-C, and leaves nothing behind.

  --acl     turn Consul's access control on, with deny as the default
  --help    show this text

The programs are taken from KUBEBUILDER_ASSETS and CONSUL_BIN, then from the PATH; otherwise they are built once, with
Go 1.26 or later, and kept in the cache.

Example:
  npm run control-plane                   # in one terminal
  export KUBECONFIG=...                   # in another: the lines that the first one prints
  kubectl create deployment web --image=any && kubectl get pods
`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { acl: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const stopped = nextSignal();
  const plane = await Promise.race([startControlPlane({ consul: { acl: values.acl ?? false } }), stopped]);
  if (plane === undefined) process.exit(0); // stopped while it started: what runs already ends with this process
  process.stdout.write(description(plane));
  await stopped;
  await plane.stop();
}

function description({ kubernetes, consul }: ControlPlane): string {
  const token = consul.managementToken === undefined ? [] : [`export CONSUL_HTTP_TOKEN=${consul.managementToken}`];
  return [
    `export KUBECONFIG=${kubernetes.kubeconfig}`,
    `export CONSUL_HTTP_ADDR=${consul.address}`,
    ...token,
    `# The UI of Consul: ${consul.address}/ui/`,
    '# Ctrl-C stops everything.',
    '',
  ].join('\n');
}

function nextSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    const alive = setInterval(() => undefined, 60_000); // a signal handler alone does not keep Node.js running
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      // Not once: npm passes on a Ctrl-C that the terminal has sent already, and the second must not kill us.
      process.on(signal, () => {
        clearInterval(alive);
        resolve(undefined);
      });
    }
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
