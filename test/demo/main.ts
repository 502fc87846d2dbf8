import { parseArgs } from 'node:util';
import { explainError } from '../../src/observability/log.ts';
import type { Consular } from '../rig/consular.ts';
import { stopConsular } from './finale.ts';
import { setScene, verifyScene, type Scene } from './scene.ts';
import { openStage, type Stage } from './stage.ts';
import { playStory } from './story.ts';
import { inWords } from './tables.ts';

const HELP = `Usage: npm run demo [-- --check]

Starts a real Kubernetes control plane and a real Consul on the loopback address, and Consular between them; then plays
a short story with Spring applications and pods, and shows what each side sees of the other, and how soon. It verifies
all of it through both APIs, in every detail, then stays until Ctrl-C for you to look around. It leaves nothing behind.

  --check   do not stay: exit with 0 when all is as it should be, else with 1 and the reason
  --help    show this text

The first run builds the programs, which needs Go 1.26 or later and about 7 minutes on two cores; KUBEBUILDER_ASSETS and
CONSUL_BIN, or programs on the PATH, save that.

Examples:
  npm run demo                 # then open the address of the Consul UI that it prints
  npm run demo -- --check      # in a pipeline
`;

/** What has been started so far, so that it can be stopped whatever happens. */
interface Demo {
  stage?: Stage;
  consular?: Consular;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const demo: Demo = {};
  try {
    await perform(demo, values.check ?? false, nextSignal());
    return 0;
  } catch (error) {
    if (demo.consular) process.stderr.write(`\nThe end of Consular's log:\n${demo.consular.lastLines()}\n`);
    process.stderr.write(`\ndemo: ${explainError(error)}\n`);
    return 1;
  } finally {
    await demo.stage?.close();
  }
}

async function perform(demo: Demo, check: boolean, stopped: Promise<'stopped'>): Promise<void> {
  const played = play(demo);
  // When the demo is stopped before its end, nobody waits for it any more.
  played.catch(() => undefined);
  const outcome = await Promise.race([played, stopped]);
  if (outcome === 'stopped') return;
  const { scene, stage, consular } = outcome;
  if (!check) {
    say(invitation(stage, consular));
    await stopped;
  }
  say('\n5. The end');
  await stopConsular(scene, consular);
  // Whoever looked around may have changed anything.
  if (check) await verifyScene(scene);
  if (check) say('\nAll is as it should be, in both systems.');
}

async function play(demo: Demo): Promise<{ scene: Scene; stage: Stage; consular: Consular }> {
  const start = performance.now();
  say('Starting Kubernetes and Consul ...');
  const stage = (demo.stage = await openStage());
  const planeAt = performance.now();
  say(
    `   both run after ${inWords(planeAt - start)}; there is a pod and a Service already that Consular must not touch`,
  );
  const scene = await setScene(stage, say);
  const consularStart = performance.now();
  const consular = (demo.consular = await stage.startConsular());
  say(`   Consular runs, and has read both systems, after ${inWords(performance.now() - consularStart)}`);
  await playStory(scene);
  return { scene, stage, consular };
}

function invitation({ plane: { kubernetes, consul } }: Stage, { address, configFile }: Consular): string {
  return [
    '\nAll of this stays until Ctrl-C. Look around:',
    `   the UI of Consul       ${consul.address}/ui/`,
    `   the state of Consular  ${address}/status`,
    `   its configuration      ${configFile}`,
    `   export KUBECONFIG=${kubernetes.kubeconfig}`,
    `   export CONSUL_HTTP_ADDR=${consul.address}`,
  ].join('\n');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function nextSignal(): Promise<'stopped'> {
  // A signal handler alone does not keep Node.js running, and neither do the processes of the demo.
  setInterval(() => undefined, 60_000);
  return new Promise((resolve) => {
    // Not once: npm passes Ctrl-C on to a process that the terminal has told already, and the second would be the end.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve('stopped'));
  });
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    // Everything else is judged in main().
    process.stderr.write(`demo: ${explainError(error)}. Try npm run demo -- --help.\n`);
    process.exit(1);
  },
);
