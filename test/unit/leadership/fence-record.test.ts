import { describe, expect, it } from '@jest/globals';
import { fenceKey, isOlderLease, judgeRecord, readRecord, writeRecord } from '../../../src/leadership/fence-record.ts';

const record = { epoch: 7, holder: 'a', clusterUid: 'uid' };

describe('the key of the fence', () => {
  it('is that of the cluster', () => {
    expect(fenceKey('dev')).toBe('consular/dev/leader');
  });

  it('says what was written to it', () => {
    expect(readRecord(writeRecord(record))).toEqual(record);
  });

  it.each([
    ['is empty', ''],
    ['is no JSON', '{epoch: 1'],
    ['is no object', '[1]'],
    ['has no epoch', '{"holder": "a", "clusterUid": "uid"}'],
    ['has an epoch that is no number', '{"epoch": "7", "holder": "a", "clusterUid": "uid"}'],
    ['has an epoch that no Consular writes', '{"epoch": 0, "holder": "a", "clusterUid": "uid"}'],
    ['has half an epoch', '{"epoch": 1.5, "holder": "a", "clusterUid": "uid"}'],
    ['has no holder', '{"epoch": 7, "clusterUid": "uid"}'],
  ])('says nothing when it %s', (_, text) => {
    expect(readRecord(text)).toBeUndefined();
  });

  it.each([
    ['is not there', undefined, 'lost'],
    ['has a lower epoch of ours', { ...record, epoch: 6 }, 'lost'],
    ['has a lower epoch of another', { ...record, epoch: 6, holder: 'b' }, 'lost'],
    ['is as we wrote it', record, 'ours'],
    ['has a higher epoch of ours', { ...record, epoch: 8 }, 'ours'],
    ['has our epoch, of another', { ...record, holder: 'b' }, 'displaced'],
    ['has a higher epoch of another', { ...record, epoch: 8, holder: 'b' }, 'displaced'],
  ] as const)('that %s', (_, found, verdict) => {
    expect(judgeRecord(record, found)).toBe(verdict);
  });
});

describe('the Lease of a holder', () => {
  const lease = { uid: 'l', transitions: 3 };

  it.each([
    ['of fewer hand-overs', { ...record, holder: 'b', lease: { ...lease, transitions: 2 } }, false],
    ['of as many under another holder', { ...record, holder: 'b', lease }, true],
    ['of as many under ourselves', { ...record, lease }, false],
    ['of more under ourselves', { ...record, lease: { ...lease, transitions: 4 } }, true],
    ['of another Lease', { ...record, holder: 'b', lease: { uid: 'k', transitions: 9 } }, false],
    ['of none', { ...record, holder: 'b' }, false],
  ])('is older than the key where that tells %s, or is not', (_, found, isOlder) => {
    expect(isOlderLease(found, 'a', lease)).toBe(isOlder);
    expect(isOlderLease(found, 'a', undefined)).toBe(false);
  });

  it('is not older than a key that is not there', () => {
    expect(isOlderLease(undefined, 'a', lease)).toBe(false);
  });
});
