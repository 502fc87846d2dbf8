import { describe, expect, it } from '@jest/globals';
import { showProgress } from '../../../src/world/progress.ts';

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
