import { DomainError } from '../core/errors';

/** That the person on the photos has agreed, as a client says it. */
export interface Consent {
  /** The version of the text that was agreed to. */
  readonly version: string;
  /** When; null: now. */
  readonly givenAt: Date | null;
}

/** The columns of a job that say so. */
export interface ConsentColumns {
  readonly consentVersion: string | null;
  readonly consentAt: Date | null;
}

/** By how much a client's clock may be ahead, in milliseconds. */
const leewayMs = 300_000;
const versionPattern = /^[\x21-\x7e]{1,100}$/;

/** Which consent is needed before photos of a person are used. */
export class ConsentRule {
  /** @param required - the version of the text that must be agreed to; null: none need be, and any may be said */
  constructor(private readonly required: string | null) {}

  /**
   * What is to be stored with the job. It says nothing of the person: whom the photos show, the client knows.
   * @throws DomainError CONSENT_REQUIRED if the consent is missing, or is to another version; INVALID_INPUT if its time
   * or its version's name can be none
   */
  check(consent: Consent | null, nowMs = Date.now()): ConsentColumns {
    if (this.required !== null && consent?.version !== this.required) throw this.refusal(consent);
    if (!consent) return { consentVersion: null, consentAt: null };
    return columnsOf(consent, nowMs);
  }

  private refusal(consent: Consent | null): DomainError {
    const given = consent ? 'The consent that was given is to another text.' : 'The person must agree first.';
    return new DomainError(
      'CONSENT_REQUIRED',
      `${given} Show the text of version ${this.required} and send consent: { version: "${this.required}" } once the person has agreed.`,
      { field: 'input.consent', details: { version: this.required } },
    );
  }
}

function columnsOf({ version, givenAt }: Consent, nowMs: number): ConsentColumns {
  const at = givenAt ?? new Date(nowMs);
  if (!versionPattern.test(version)) {
    throw invalid('version', 'The version of a consent is 1 to 100 characters without spaces.');
  }
  if (at.getTime() > nowMs + leewayMs) throw invalid('givenAt', 'A consent cannot be given in the future.');
  return { consentVersion: version, consentAt: at };
}

function invalid(field: string, message: string): DomainError {
  return new DomainError('INVALID_INPUT', message, { field: `input.consent.${field}` });
}
