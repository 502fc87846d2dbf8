import { describe, expect, it } from '@jest/globals';
import { absenceOf } from '../../../../src/commands/run/page.ts';

const leading = { is: 'leading', phase: 'running', leader: 'a_1' };

describe('a list of the status page', () => {
  it.each([
    ['stands by', { is: 'standby', phase: 'standing by', leader: 'a_1' }, 'a_1 leads, and has them', 'a_1'],
    ['stands by and sees no leader', { is: 'standby', phase: 'standing by', leader: null }, 'no leader is seen', null],
    ['is at its beginning', { ...leading, phase: 'taking over' }, 'this process is taking over', 'a_1'],
  ])('is not empty but absent on a process that %s', (_, lead, error, leader) => {
    for (const list of ['pods', 'mirrored', 'services', 'attention'])
      expect(absenceOf(list, undefined, lead)).toMatchObject({
        ...{ status: 503, leader },
        error: expect.stringContaining(error),
      });
  });

  it('is absent when its direction is off', () => {
    expect(absenceOf('pods', { toKubernetes: {} }, leading)).toMatchObject({
      ...{ status: 404, error: 'toConsul.enabled is false: there is no such list' },
    });
    expect(absenceOf('mirrored', { toConsul: {} }, leading)?.status).toBe(404);
    expect(absenceOf('attention', { toConsul: {} }, leading)).toBeUndefined();
  });

  it.each(['pods', 'mirrored', 'services', 'attention'])('of %s is there on the leader', (list) => {
    expect(absenceOf(list, { toConsul: {}, toKubernetes: {} }, leading)).toBeUndefined();
  });
});
