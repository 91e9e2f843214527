import { maxSelectedIds } from '../core/bulk-changes';
import { DomainError, forbidden } from '../core/errors';
import { uuidOf, type InputId } from '../core/ids';
import { ProblemCollector } from '../core/input-problems';
import type { Viewer } from '../core/viewer';
import type { WebhookChange } from './webhook.repository';

/** The maximum length of a description, in characters. */
const maxDescriptionLength = 500;
/** The maximum time for which two secrets are valid, in seconds. */
const maxOverlapSeconds = 604_800;
/** The maximum number of given event types, with repetitions. */
const maxEventTypes = 100;

/**
 * Checks the values of a webhook.
 * @param checkUrl - throws INVALID_INPUT
 * @throws DomainError INVALID_INPUT with all problems
 */
export function checkWebhook(
  { url, description, eventTypes, status }: WebhookChange,
  checkUrl: (url: string, field: string) => void,
): void {
  const problems = new ProblemCollector();
  if (url !== undefined) problems.check(() => checkUrl(url, 'input.url'));
  if (description != null) problems.check(() => checkDescription(description));
  if (eventTypes?.length === 0)
    problems.add(invalid('input.eventTypes', 'is empty; give at least one, or leave it out'));
  if (eventTypes && eventTypes.length > maxEventTypes) {
    const details = { given: eventTypes.length, maximum: maxEventTypes };
    const problem = `has more than ${maxEventTypes} types; give each type once, or leave it out`;
    problems.add(invalid('input.eventTypes', problem, details));
  }
  if (status === 'DISABLED') problems.add(invalid('input.status', 'must be ENABLED or PAUSED'));
  problems.throwIfAny();
}

/**
 * Checks that a viewer may be sent events: webhooks are sent what subscriptions read.
 * @throws DomainError FORBIDDEN
 */
export function requireReader({ scopes }: Viewer): void {
  if (scopes.has('read')) return;
  throw forbidden('A webhook is sent your events: this needs the scope read too.', {
    ...{ needed: 'read', given: [...scopes] },
  });
}

function checkDescription(description: string): void {
  const field = 'input.description';
  if (description.length > maxDescriptionLength) {
    const details = { given: description.length, maximum: maxDescriptionLength };
    throw invalid(field, `has more than ${maxDescriptionLength} characters`, details);
  }
  if (description.includes('\0')) throw invalid(field, 'contains the character U+0000; remove it');
}

/** @throws DomainError INVALID_INPUT */
export function checkOverlap(overlapSeconds: number): void {
  if (overlapSeconds >= 0 && overlapSeconds <= maxOverlapSeconds) return;
  const details = { given: overlapSeconds, minimum: 0, maximum: maxOverlapSeconds };
  throw invalid('input.overlapSeconds', `must be 0 to ${maxOverlapSeconds}`, details);
}

/**
 * The UUIDs of selected deliveries.
 * @throws DomainError INVALID_INPUT; NOT_FOUND, with all problems
 */
export function checkedIds(ids: readonly InputId[]): string[] {
  if (ids.length < 1 || ids.length > maxSelectedIds) {
    const details = { given: ids.length, minimum: 1, maximum: maxSelectedIds };
    throw invalid('input.select.ids', `must have 1 to ${maxSelectedIds} ids`, details);
  }
  const problems = new ProblemCollector();
  const uuids = ids.flatMap((id) => problems.check(() => uuidOf(id)) ?? []);
  problems.throwIfAny();
  return uuids;
}

function invalid(field: string, problem: string, details?: Record<string, number>): DomainError {
  return new DomainError('INVALID_INPUT', `${field} ${problem}.`, { field, details });
}
