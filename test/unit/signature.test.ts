import fc from 'fast-check';
import { UrlSigner, type Purpose } from '../../src/core/signature';

const purposes: Purpose[] = ['photo-upload', 'photo-upstream', 'photo-view', 'avatar-view', 'export'];
const signer = new UrlSigner(['a secret of this test, long enough']);
const nowMs = Date.UTC(2026, 5, 1);
const inAnHourMs = nowMs + 3_600_000;
const subject = '/media/avatars/avatar_1/original';

const query = (text: string): URLSearchParams => new URLSearchParams(text);
const signed = (): URLSearchParams => query(signer.sign('avatar-view', subject, inAnHourMs));
const check = (given: URLSearchParams, at = nowMs): string =>
  signer.verify('avatar-view', subject, given, at);

describe('a signed URL', () => {
  it('is valid for its resource', () => {
    expect(check(signed())).toBe('valid');
  });

  it.each(purposes.filter((purpose) => purpose !== 'avatar-view'))('is invalid for %s', (purpose) => {
    expect(signer.verify(purpose, subject, signed(), nowMs)).toBe('invalid');
  });

  it.each([
    '/media/avatars/avatar_2/original',
    '/media/avatars/avatar_1/preview',
    `${subject}/`,
    `${subject}\n`,
    '',
  ])('is invalid for other resources: %j', (other) => {
    expect(signer.verify('avatar-view', other, signed(), nowMs)).toBe('invalid');
  });

  it('is valid to the end of its last second and not longer', () => {
    const given = query(signer.sign('avatar-view', subject, nowMs + 1_500));
    expect(given.get('expires')).toBe(String(nowMs / 1000 + 2));
    expect(check(given, nowMs + 2_000)).toBe('valid');
    expect(check(given, nowMs + 2_001)).toBe('expired');
  });

  it('cannot be made to live longer', () => {
    const given = signed();
    given.set('expires', String(inAnHourMs / 1000 + 1));
    expect(check(given)).toBe('invalid');
    expect(check(given, inAnHourMs + 500)).toBe('invalid');
  });

  it('is reported as expired only if its signature is valid', () => {
    const given = signed();
    given.set('signature', 'A'.repeat(43));
    expect(check(given, inAnHourMs + 5_000)).toBe('invalid');
  });

  it('is rejected with any one character changed, removed or added', () => {
    const given = signed();
    const signature = given.get('signature')!;
    fc.assert(
      fc.property(
        fc.nat(signature.length - 1),
        fc.constantFrom('A', 'z', '0', '-', '_', '=', 'é', ''),
        (at, put) => {
          fc.pre(signature[at] !== put);
          given.set('signature', signature.slice(0, at) + put + signature.slice(at + 1));
          expect(check(given)).toBe('invalid');
        },
      ),
    );
    given.set('signature', `${signature}A`);
    expect(check(given)).toBe('invalid');
  });

  it.each([
    '',
    'expires=&signature=',
    'signature=abc',
    `expires=${inAnHourMs / 1000}`,
    'expires=soon&signature=abc',
    'expires=1e999&signature=abc',
    'expires=NaN&signature=abc',
    'expires=-1&signature=abc',
    'expires=9007199254740993&signature=abc',
  ])('is rejected if malformed: %j', (text) => {
    expect(check(query(text))).toBe('invalid');
  });

  it('is valid for any subject, and for no other', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.constantFrom(...purposes), (one, other, purpose) => {
        const given = query(signer.sign(purpose, one, inAnHourMs));
        expect(signer.verify(purpose, one, given, nowMs)).toBe('valid');
        expect(signer.verify(purpose, other, given, nowMs)).toBe(one === other ? 'valid' : 'invalid');
      }),
    );
  });
});

describe('rotating the secret', () => {
  const [old, fresh] = [
    'the secret of last year, long enough',
    'the secret of this year, long enough',
  ] as const;
  const before = new UrlSigner([old]);
  const during = new UrlSigner([fresh, old]);
  const after = new UrlSigner([fresh]);
  const verdict = (by: UrlSigner, of: UrlSigner): string =>
    by.verify('photo-upload', subject, query(of.sign('photo-upload', subject, inAnHourMs)), nowMs);

  it('keeps earlier URLs valid while both secrets are configured', () => {
    expect(verdict(during, before)).toBe('valid');
    expect(verdict(during, during)).toBe('valid');
  });

  it('signs with the first secret', () => {
    expect(verdict(after, during)).toBe('valid');
    expect(verdict(before, during)).toBe('invalid');
  });

  it('invalidates them once the old secret is removed', () => {
    expect(verdict(after, before)).toBe('invalid');
  });
});
