import { formatDate } from '../api/formats';
import { isUnfinished } from '../api/jobs';
import { type ModelFieldsFragment } from '../graphql/operations';
import { pathOf } from '../hooks/useRoute';
import { Icon } from './Icon';
import { Picture } from './Picture';
import { StatusBadge } from './StatusBadge';
import { typeNames } from './TypePicker';

/** A model in a list. */
export function ModelCard({ model }: { model: ModelFieldsFragment }): React.JSX.Element {
  const { id, name, type, status, progress, cover, createdAt } = model;
  return (
    <a className="model-card" href={pathOf({ page: 'model', id })}>
      <span className="model-cover">
        {cover ? (
          <Picture avatarId={cover.id} url={cover.thumbnailUrl} thumbhash={cover.thumbhash} alt="" />
        ) : (
          <Icon name="image" />
        )}
      </span>
      <span className="model-text">
        <strong>
          <bdi>{name}</bdi>
        </strong>
        <span className="muted">
          {typeNames[type]} · {formatDate(createdAt)}
        </span>
        <span className="row">
          <StatusBadge status={status} />
          {isUnfinished(status) && <span className="muted">{progress} %</span>}
        </span>
      </span>
    </a>
  );
}
