import { DomainError } from '../core/errors';
import { checkAll } from '../core/input-problems';

/** The consent of the person in the photos, as declared by the client. */
export interface Consent {
  /** The version of the text that the person agreed to. */
  readonly version: string;
  /** When the person agreed; null: now. */
  readonly givenAt: Date | null;
}

/** The consent columns of a job. */
export interface ConsentColumns {
  readonly consentVersion: string | null;
  readonly consentAt: Date | null;
}

/** Consents to this processing are not older. */
const earliestConsent = new Date('2000-01-01T00:00:00Z');

/** How far a client's clock may be ahead, in milliseconds. */
const leewayMs = 300_000;
const versionPattern = /^[\x21-\x7e]{1,100}$/;

/** Checks the consent that is required before photos of a person are used. */
export class ConsentRule {
  /** @param required - the required version of the text; null: consent is optional and may have any version */
  constructor(readonly required: string | null) {}

  /**
   * Validates the consent and returns the columns to store with the job. They do not identify the person.
   * @throws DomainError CONSENT_REQUIRED if the consent is missing or has another version; INVALID_INPUT if its time or
   * version is malformed
   */
  check(consent: Consent | null, nowMs = Date.now()): ConsentColumns {
    if (this.required !== null && consent?.version !== this.required) throw this.refusal(consent);
    if (!consent) return { consentVersion: null, consentAt: null };
    return columnsOf(consent, nowMs);
  }

  private refusal(consent: Consent | null): DomainError {
    const problem = consent ? 'The consent is for another version of the text.' : 'Consent is required.';
    return new DomainError(
      'CONSENT_REQUIRED',
      `${problem} Show the text of version ${this.required} and send consent: { version: "${this.required}" } once the person has agreed.`,
      { field: 'input.consent', details: { version: this.required } },
    );
  }
}

function columnsOf({ version, givenAt }: Consent, nowMs: number): ConsentColumns {
  const at = givenAt ?? new Date(nowMs);
  checkAll(
    () => checkVersion(version),
    () => checkTime(at, nowMs),
  );
  return { consentVersion: version, consentAt: at };
}

function checkVersion(version: string): void {
  if (versionPattern.test(version)) return;
  throw invalid('version', 'version must be 1 to 100 printable ASCII characters without spaces.');
}

function checkTime(at: Date, nowMs: number): void {
  if (at.getTime() > nowMs + leewayMs) throw invalid('givenAt', 'givenAt must not be in the future.');
  if (at < earliestConsent) throw invalid('givenAt', 'givenAt must not be before the year 2000.');
}

function invalid(field: string, message: string): DomainError {
  return new DomainError('INVALID_INPUT', message, { field: `input.consent.${field}` });
}
