import {
  getOperationAST,
  Kind,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type SelectionSetNode,
} from 'graphql';
import { ownerHash } from '../../core/owner-hash';
import type { SpanAttributes } from '../../core/tracing';
import type { GraphQLContext, RequestNotes } from '../../graphql/context';
import { codeOf } from '../../graphql/errors';
import type { AnswerLines } from '../answer-lines';

/** What an operation is called in logs, metrics and traces. */
export interface OperationLabel {
  readonly type: 'query' | 'mutation' | 'subscription' | 'unknown';
  /** As the client has written it, of at most 100 characters; null without a name. */
  readonly name: string | null;
  /** The name if the document is in the operator's list, otherwise `other`: clients cannot add values. */
  readonly listedName: string;
  /** The only field at the root, which is a name of the schema; `several` if there are more, `none` for `__typename` alone. */
  readonly field: string;
  /** For spans. The name is that of a listed document, so that clients cannot send texts to the receiver of traces. */
  readonly attributes: SpanAttributes;
}

/** An operation that has ended, or that was refused. */
export interface OperationRecord extends OperationLabel {
  /** `OK`, or the code of its first error. */
  readonly code: string;
  /** How long it was executed; null if it was refused before. */
  readonly seconds: number | null;
}

const unknownLabel = labelFor({ type: 'unknown', name: null, listedName: 'other', field: 'none' });

const maxNameLength = 100;
/** A longer list of codes says no more in a log line. */
const maxCodes = 10;

/** Labels and counts operations, and notes them for the log line of their request. */
export class OperationRecords {
  private readonly labels = new WeakMap<DocumentNode, Map<string | null, OperationLabel>>();
  private readonly listed = new WeakSet<DocumentNode>();

  /** @param onOperation - called for each operation that was refused or has ended, and for each subscription that was opened */
  constructor(
    private readonly lines: AnswerLines,
    private readonly onOperation?: (record: OperationRecord) => void,
  ) {}

  /** The document is in the operator's list. */
  markListed(document: DocumentNode): void {
    this.listed.add(document);
  }

  /** The label of an operation of a valid document. */
  labelOf({
    document,
    operationName = null,
  }: Pick<ExecutionArgs, 'document' | 'operationName'>): OperationLabel {
    const ofDocument = this.labels.get(document) ?? new Map<string | null, OperationLabel>();
    this.labels.set(document, ofDocument);
    let label = ofDocument.get(operationName);
    if (!label) {
      label = makeLabel(document, operationName, this.listed.has(document));
      ofDocument.set(operationName, label);
    }
    return label;
  }

  /** Records the end of an operation, or that a subscription was opened. */
  ended(
    args: ExecutionArgs,
    { notes, requestId, socketId, viewer }: GraphQLContext,
    errors: ExecutionResult['errors'],
    startedMs: number,
  ): void {
    const label = this.labelOf(args);
    const codes = (errors ?? []).map(codeOf);
    const ms = performance.now() - startedMs;
    // Operations of a WebSocket have a line of their own.
    const noted: RequestNotes = notes ?? { owner: ownerHash(viewer.owner) };
    note(noted, label.name ?? label.field, codes);
    if (!notes) {
      const line = { requestId, socketId, type: label.type, ms: Math.round(ms), ...noted };
      this.lines.write('info', 'operation', { ms, isError: codes.length > 0 }, () => line);
    }
    const seconds = ms / 1_000;
    this.onOperation?.({ ...label, code: codes[0] ?? 'OK', seconds });
  }

  /** Records errors that refuse an operation, or a request, before it is executed. */
  refused(errors: readonly unknown[], notes?: RequestNotes): void {
    const codes = errors.map(codeOf);
    if (notes) note(notes, null, codes);
    this.onOperation?.({ ...unknownLabel, code: codes[0] ?? 'OK', seconds: null });
  }
}

function note(notes: RequestNotes, operation: string | null, codes: readonly string[]): void {
  if (operation !== null) notes.operations = [...(notes.operations ?? []), operation];
  if (codes.length > 0) notes.codes = [...new Set([...(notes.codes ?? []), ...codes])].slice(0, maxCodes);
}

function makeLabel(document: DocumentNode, operationName: string | null, isListed: boolean): OperationLabel {
  const operation = getOperationAST(document, operationName);
  if (!operation) return unknownLabel;
  const name = operation.name?.value.slice(0, maxNameLength) ?? null;
  const fields = new Set<string>();
  addFields(document, operation.selectionSet, fields);
  fields.delete('__typename');
  const [first = 'none'] = fields;
  return labelFor({
    type: operation.operation,
    name,
    listedName: isListed ? (name ?? 'anonymous') : 'other',
    field: fields.size > 1 ? 'several' : first,
  });
}

function labelFor(label: Omit<OperationLabel, 'attributes'>): OperationLabel {
  const { type, listedName, field } = label;
  const attributes = {
    'graphql.operation.type': type,
    'graphql.operation.name': listedName,
    'likeness.field': field,
  };
  return { ...label, attributes };
}

function addFields(document: DocumentNode, { selections }: SelectionSetNode, fields: Set<string>): void {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) fields.add(selection.name.value);
    else if (selection.kind === Kind.INLINE_FRAGMENT) addFields(document, selection.selectionSet, fields);
    else {
      const fragment = document.definitions.find(
        (one) => one.kind === Kind.FRAGMENT_DEFINITION && one.name.value === selection.name.value,
      );
      if (fragment?.kind === Kind.FRAGMENT_DEFINITION) addFields(document, fragment.selectionSet, fields);
    }
  }
}
