import { describe, expect, it } from '@jest/globals';
import { judgeFile, judgeRemovals, judgeWrites } from '../../../../src/commands/doctor/switches.ts';
import { parseConfig } from '../../../../src/config/load.ts';

const config = (settings: object = {}) => parseConfig(JSON.stringify({ cluster: 'dev', ...settings }), {});
const LEASE = { namespace: 'consular', name: 'consular-dev' };

describe('writes', () => {
  it('that are on are fine', () => {
    expect(judgeWrites(config(), [], LEASE, 'consular.yaml').level).toBe('ok');
  });

  it('that are off are a warning, with how each who says so is told to say on', () => {
    const given = config({ writes: 'off', controlFile: '/run/control' });
    const by = [
      'setting writes',
      'control file /run/control says off',
      'annotation consular.dev/writes on Lease says off',
    ];
    const { level, message, fix } = judgeWrites(given, by, LEASE, 'consular.yaml');
    expect([level, message]).toEqual(['warning', expect.stringContaining(`writes are off, by ${by.join(' and by ')}`)]);
    expect(fix?.split('\n')).toEqual([
      '# in consular.yaml:',
      'writes: on',
      "sed -i '/^writes off/d' /run/control",
      'kubectl -n consular annotate lease consular-dev consular.dev/writes-',
    ]);
  });
});

describe('removals', () => {
  it.each([
    ['that happen are fine', {}, 'ok'],
    ['that never happen in one direction are a warning', { toConsul: { removals: 'never' } }, 'warning'],
    [
      'that never happen in a direction which is off are fine',
      { toKubernetes: { removals: 'never', enabled: false } },
      'ok',
    ],
  ])('%s', (_, settings, level) => {
    expect(judgeRemovals(config(settings)).level).toBe(level);
  });
});

describe("the daemon's file, as its own entry in Consul has it", () => {
  it.each([
    ['fine', '1 instance registered, 0 rejected, 0 held, mirroring is off', 'ok', undefined],
    ['refused', 'sums\n/etc/c.yaml is not valid, and the settings of before go on: x', 'warning', 'logs'],
    [
      'in need of a restart',
      'sums\n/etc/c.yaml: cluster was changed, which needs a restart',
      'warning',
      'rollout restart',
    ],
  ])('%s', (_, output, level, advice) => {
    const finding = judgeFile(output);
    expect(finding.level).toBe(level);
    if (advice !== undefined) expect(finding.fix).toContain(advice);
  });
});
