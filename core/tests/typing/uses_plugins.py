"""Only type-checked: modules, objects and classes fit the Protocols of the contract."""

import module_plugin
from pydantic import BaseModel

from ytworker import Context, ErrorClass, Item, PluginBase, Scraped, WorkerPlugin
from ytworker.hookspecs import ClassifiesErrors, HasParameters, HasSettings


class Parameters(BaseModel):
    name: str


class Complete(PluginBase):
    def get_task_type(self) -> str:
        return "complete"

    def scrape(self, params: Parameters, context: Context) -> Scraped:
        context.logger.info("asked for %s", params.name)
        return [Item(source="example", id=params.name), {"source": "example", "kind": "video", "id": "2"}]

    def get_parameters(self) -> type[BaseModel]:
        return Parameters

    def get_settings(self) -> dict[str, type[BaseModel]]:
        return {}

    def classify_error(self, error: BaseException) -> ErrorClass | None:
        return ErrorClass.GONE if isinstance(error, LookupError) else None


module: WorkerPlugin = module_plugin
plugin: WorkerPlugin = Complete()
with_parameters: HasParameters = Complete()
with_settings: HasSettings = Complete()
with_taxonomy: ClassifiesErrors = Complete()
no_plugin: WorkerPlugin = Parameters(name="x")  # type: ignore[assignment]
