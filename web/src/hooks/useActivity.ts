import { useEffect } from 'react';
import { useClient } from 'urql';
import { followActivity, type Activity } from '../api/activity';
import { isolate, plural } from '../api/formats';
import { useSession } from '../api/session';
import { type Announcement, type Announcements } from './useAnnouncements';

type News = Omit<Announcement, 'id'>;
type Change = Activity['change'];

function modelNews(change: Extract<Change, { __typename: 'ModelChanged' }>): News | null {
  if (!change.model) return null;
  const { id, failure } = change.model;
  const name = isolate(change.model.name);
  const route = { page: 'model', id } as const;
  if (change.modelStatus === 'READY')
    return { tone: 'good', text: `${name} is ready.`, link: { label: 'Make avatars', route } };
  if (change.modelStatus !== 'FAILED') return null;
  const text = `The training of ${name} failed. ${failure?.message ?? ''}`;
  return { tone: 'bad', text, link: { label: 'See what to do', route } };
}

function generationNews(change: Extract<Change, { __typename: 'GenerationChanged' }>): News | null {
  if (!change.generation) return null;
  const { avatars, model, failure } = change.generation;
  const link = model ? { label: 'Show', route: { page: 'model', id: model.id } as const } : undefined;
  const of = model ? ` of ${isolate(model.name)}` : '';
  if (change.generationStatus === 'COMPLETED' || change.generationStatus === 'PARTIAL')
    return { tone: 'good', text: `${plural(avatars.length, 'avatar')}${of} finished.`, link };
  if (change.generationStatus !== 'FAILED') return null;
  return { tone: 'bad', text: `Avatars${of} could not be made. ${failure?.message ?? ''}`, link };
}

function noticeNews({ notice }: Extract<Change, { __typename: 'NoticeCreated' }>): News | null {
  const link = { label: 'All notices', route: { page: 'account' } } as const;
  return { tone: 'plain', text: notice.message, link };
}

/** What people want to know of a change; null of all others. */
function newsOf({ change, isEstimate, isSnapshot }: Activity): News | null {
  if (isEstimate || isSnapshot) return null;
  if (change.__typename === 'ModelChanged') return modelNews(change);
  if (change.__typename === 'NoticeCreated') return noticeNews(change);
  return change.__typename === 'GenerationChanged' ? generationNews(change) : null;
}

/** How long after a model has become READY the event of it may be dated, in milliseconds. */
const maxEventDelayMs = 2_000;

/** Whether a change of a model is one of its status; one of its name alone is no news. */
function statusFilter(): (activity: Activity) => boolean {
  const statuses = new Map<string, string>();
  return ({ change, isEstimate, occurredAt }) => {
    if (change.__typename !== 'ModelChanged' || isEstimate) return true;
    const { modelId, modelStatus, model } = change;
    const before = statuses.get(modelId);
    statuses.set(modelId, modelStatus);
    if (before !== undefined) return before !== modelStatus;
    if (modelStatus !== 'READY' || model?.readyAt == null) return true;
    return Date.parse(occurredAt) - Date.parse(model.readyAt) < maxEventDelayMs;
  };
}

/** How much of what was missed is announced one by one. */
const maxMissed = 3;

function olderNews(count: number): News {
  const link = { label: 'All models', route: { page: 'models' } } as const;
  return { tone: 'plain', text: `While you were away: ${plural(count, 'more change')} before these.`, link };
}

/** Follows the viewer's activity while mounted, and announces what has become ready, also while the studio was closed. */
export function useActivity(announce: Announcements['announce']): void {
  const client = useClient();
  const { owner, activityCursor, onExpired } = useSession();
  useEffect(() => {
    let missed: News[] = [];
    const hasNewStatus = statusFilter();
    return followActivity(client, owner, activityCursor, {
      onSignedOut: onExpired,
      onActivity: (activity, isMissed) => {
        const news = hasNewStatus(activity) ? newsOf(activity) : null;
        if (news && isMissed) missed = [...missed.filter(({ text }) => text !== news.text), news];
        else if (news) announce(news);
        if (activity.change.__typename !== 'CaughtUp') return;
        const [older, latest] = [missed.slice(0, -maxMissed), missed.slice(-maxMissed)];
        if (older.length > 0) announce(olderNews(older.length));
        for (const { text, ...rest } of latest) announce({ ...rest, text: `While you were away: ${text}` });
        missed = [];
      },
    });
  }, [client, owner, activityCursor, announce, onExpired]);
}
