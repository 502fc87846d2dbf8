import { describe, expect, it } from '@jest/globals';
import { eachCauseOnce, showProgress } from '../../../src/world/progress.ts';

describe('what keeps something from being read', () => {
  it('is one entry for each cause, with all that it concerns', () => {
    const refused = 'no usable answer from Consul: connect ECONNREFUSED 127.0.0.1:8500';
    expect(
      eachCauseOnce([
        'Kubernetes pods: not read yet',
        `name of this cluster in Consul: read nodes: ${refused}`,
        'Kubernetes services: not read yet',
        `Consul services: read services: ${refused}`,
      ]),
    ).toEqual([
      'Kubernetes pods, Kubernetes services: not read yet',
      `name of this cluster in Consul, Consul services: read nodes: ${refused}`,
    ]);
  });

  it('names the first three that it concerns, and how many more', () => {
    expect(eachCauseOnce(['a: x', 'b: x', 'c: x', 'd: x', 'e: x'])).toEqual(['a, b, c and 2 more: x']);
  });
});

describe('progress', () => {
  it('is told when it is something else than before, and not after its end', async () => {
    const lines: string[] = [];
    let told = (): void => undefined;
    const said = new Promise<void>((resolve) => (told = resolve));
    const write = (line: string) => {
      lines.push(line);
      told();
    };
    const end = showProgress({ write, quietMs: 0 }, () => ['Kubernetes pods: not read yet']);
    await said;
    end();
    expect(lines).toEqual(['reading: Kubernetes pods: not read yet']);
  });
});
