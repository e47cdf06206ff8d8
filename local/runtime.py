"""The one-machine runtime: the order in which its parts start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from local.application.code_check import require_sound_code
from local.application.declaration import Application
from local.application.demo_data import store_demo_data
from local.application.failures import FailureLines
from local.application.own_template import OwnTemplate
from local.application.program import Program, choose_program
from local.application.ready_file import describe_program
from local.application.reloading import Reloader
from local.deploying.aws_clients import AwsClients
from local.deploying.aws_json_client import AwsJsonClient
from local.deploying.control_plane import Deployment, Function, read_deployment
from local.deploying.deployment import OWN_STACK_NAME, Stack, deploy
from local.embedded.aws_process import EmbeddedAws
from local.embedded.redis_process import EmbeddedRedis
from local.errors import CannotStartError, ServiceLostError
from local.functions.code_folder import FunctionCode, locate_code
from local.functions.environment import Environment
from local.functions.output import FunctionOutput, LogWriter
from local.functions.service import Functions
from local.functions.variables import Endpoints, function_environment
from local.gateway.api import Limits
from local.gateway.server import Gateway
from local.listening_port import describe_port_error, reserve_port
from local.metrics import Metrics
from local.options import Options
from local.page import PageAssets, Scoring, application_routes
from local.page.assets import Route
from local.page.dependencies import PATH as DEPENDENCIES_PATH
from local.page.dependencies import Dependencies
from local.page.scoring import PATH as SCORE_PATH
from local.queue_depths import QueueDepths
from local.ready_file import prepare_ready_file
from local.sources.pollers import EventSources
from local.stats import Stats

_STOP_SECONDS = 10.0


class Runtime:
    """One run of a template on this machine."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._metrics = Metrics()
        self._closing: list[Callable[[], Awaitable[None]]] = []
        """The stop functions of the started parts, called in reverse order."""
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> dict[str, Any]:
        """Start every part and return the content of the ready file; raise CannotStartError if a part cannot start."""
        options = self._options
        prepare_ready_file(options.ready_file)
        program = choose_program(options)
        template = program.load_template()
        code = program.with_computes(locate_code(template, program.template))
        if program.own is not None:
            await require_sound_code(program.own.application)
        self._port, self._listener = reserve_port(options.host, options.port)
        self._closing.append(self._give_port_back)
        self._log = LogWriter(quiet=options.quiet)
        self._closing.append(self._log.close)
        aws = self._start_aws()
        redis = await self._start_redis()
        redis_url = options.redis_url or (redis.url if redis else "")
        aws_endpoint = options.aws_endpoint or (aws.endpoint_url if aws else "")
        clients = AwsClients(aws_endpoint)
        given, resources = await asyncio.to_thread(self._deploy_own, program.own, clients)
        asked = {"AuthMode": options.auth} if options.auth is not None else {}
        parameters = {**given, **self._offer(redis_url), **program.parameters, **asked, **options.parameters}
        stack, deployment = await asyncio.to_thread(self._deploy, template, code, clients, parameters)
        self._endpoints = Endpoints(aws_endpoint, self._url("http", deployment.websocket_api.stage))
        functions = self._start_functions(deployment)
        await asyncio.gather(functions.start(), self._load_demo(program, stack, resources, aws_endpoint))
        client = AwsJsonClient(aws_endpoint)
        self._start_polling(deployment, functions, client, aws)
        stats = Stats(self._metrics, functions, QueueDepths(deployment.queues, client), aws=aws, redis=redis)
        own_routes = self._page_routes(program, deployment, stack, clients, redis_url)
        gateway = await self._start_gateway(deployment, functions, stats, own_routes)
        if program.own is not None:
            stats.reloader = self._start_reloading(program.own.application, deployment, functions, gateway, redis_url)
        addresses = self._describe(deployment, redis_url, aws_endpoint)
        application = program.own.application if program.own is not None else None
        return {**addresses, **await asyncio.to_thread(describe_program, application, parameters, stack, clients)}

    async def lost(self) -> None:
        """Wait until an embedded service is lost, then raise ServiceLostError."""
        await self._lost

    async def stop(self) -> None:
        """Stop the started parts, the last first."""
        for close in reversed(self._closing):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(close(), _STOP_SECONDS)
        self._closing.clear()
        if self._lost.done() and not self._lost.cancelled():
            self._lost.exception()  # reported already, or by what it broke

    # Parts

    async def _give_port_back(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def _start_aws(self) -> EmbeddedAws | None:
        if self._options.aws_endpoint is not None:
            return None
        aws = EmbeddedAws()
        aws.start()
        watcher = asyncio.create_task(self._watch(aws))

        async def stop() -> None:
            watcher.cancel()
            await aws.stop()

        self._closing.append(stop)
        return aws

    async def _watch(self, aws: EmbeddedAws) -> None:
        status = await aws.ended()
        sentence = f"The embedded AWS ended (exit status {status}) and lost everything deployed there; start again."
        self._lost.set_exception(ServiceLostError(sentence))

    async def _start_redis(self) -> EmbeddedRedis | None:
        if self._options.redis_url is not None:
            return None
        redis = EmbeddedRedis()
        self._closing.append(redis.stop)
        await redis.start()
        return redis

    def _deploy_own(self, own: OwnTemplate | None, clients: AwsClients) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Deploy an application's own resources; return the parameters that it gives Pushaside, and the resources."""
        if own is None:
            return {}, {}
        stack = deploy(own.body, self._options.parameters, clients, OWN_STACK_NAME)
        return own.parameters(stack), stack.resources

    def _offer(self, redis_url: str) -> dict[str, str]:
        """Return the runtime's own parameters; a template ignores those that it does not declare."""
        return {
            "CacheUrl": redis_url,
            "NatGateway": "off",  # belongs to the network of the cache that the stack would create
            "AuthMode": "none",
            "AllowSynthetic": "true",
            "ExplainResults": "true",
            "ExplainChanges": str(self._options.explain).lower(),
            "AllowedOrigins": "*",
            "AllowPrivateWebhooks": "true",
            "ConnectionSeconds": f"{self._options.max_connection:g}",
        }

    @staticmethod
    def _deploy(
        template: dict[str, Any], code: dict[str, FunctionCode], clients: AwsClients, parameters: Mapping[str, str]
    ) -> tuple[Stack, Deployment]:
        stack = deploy(template, parameters, clients)
        return stack, read_deployment(stack, code, clients)

    def _start_functions(self, deployment: Deployment) -> Functions:
        request_path = deployment.request_path
        functions = Functions(
            deployment.functions,
            self._start_environment,
            warm=lambda function: (
                self._options.workers if function.name in request_path else min(1, self._options.workers)
            ),
            limit=self._options.max_environments,
        )
        self._closing.append(functions.close)
        return functions

    async def _start_environment(self, environment: Environment, function: Function) -> None:
        output = await FunctionOutput(function.logical_id, self._metrics, self._log).open()
        try:
            stream_name = f"local/[$LATEST]{uuid.uuid4().hex}"
            await environment.start(function_environment(function, self._endpoints, stream_name), output)
        finally:
            os.close(output)

    async def _load_demo(self, program: Program, stack: Stack, resources: Mapping[str, str], aws_endpoint: str) -> None:
        if not self._options.demo:
            return
        if program.own is not None:
            await asyncio.to_thread(store_demo_data, program.own.application, resources, aws_endpoint)
        else:
            from local.demo import load_demo  # loads the demo's libraries only for --demo

            await asyncio.to_thread(load_demo, aws_endpoint, stack.resources)

    def _start_polling(
        self, deployment: Deployment, functions: Functions, client: AwsJsonClient, aws: EmbeddedAws | None
    ) -> None:
        changes = aws.changes if aws else None
        sources = EventSources(deployment, client, functions, changes, maximum_batches=self._options.max_environments)
        self._closing.append(sources.close)
        sources.start()

    def _start_reloading(
        self, application: Application, deployment: Deployment, functions: Functions, gateway: Gateway, redis_url: str
    ) -> Reloader:
        gateway.remember_subscriptions()
        self._log.rewrites.append(FailureLines(application.folder).rewrite)
        names = [each.name for each in deployment.functions if each.loads_computes]
        reloader = Reloader(application, functions, names, redis_url, self._log, refresh=gateway.repeat_subscriptions)
        self._closing.append(reloader.close)
        reloader.start()
        return reloader

    def _page_routes(
        self, program: Program, deployment: Deployment, stack: Stack, clients: AwsClients, redis_url: str
    ) -> dict[str, Route]:
        name = program.own.application.declaration.name if program.own is not None else ""
        own_routes = application_routes(program.own.application.folder) if program.own is not None else {}
        demo = self._options.demo and not name
        stage = deployment.websocket_api.stage
        routes = PageAssets(stage, demo=demo, application=name, has_own_page=bool(own_routes)).routes | own_routes
        dependencies = Dependencies(redis_url)
        self._closing.append(dependencies.close)
        routes[DEPENDENCIES_PATH] = dependencies.route
        if demo:
            scoring = Scoring(clients.client("dynamodb"), stack.resources["ScoresTable"])
            self._closing.append(scoring.close)
            routes[SCORE_PATH] = scoring.route
        return routes

    async def _start_gateway(
        self, deployment: Deployment, functions: Functions, stats: Stats, own_routes: dict[str, Route]
    ) -> Gateway:
        limits = Limits(
            idle_seconds=self._options.idle_timeout,
            connection_seconds=self._options.max_connection,
            keeps_to_throttles=self._options.throttle,
        )
        gateway = Gateway(
            deployment.websocket_api,
            deployment.http_api,
            limits,
            functions,
            {"/_local/stats": stats.page},
            own_routes=own_routes,
        )
        stats.gateway = gateway
        self._closing.append(gateway.close)
        try:
            await gateway.start(self._options.host, self._port, self._listener)
        except OSError as error:
            raise CannotStartError(describe_port_error(self._options.host, self._port, error)) from error
        return gateway

    # Addresses

    def _url(self, scheme: str, path: str) -> str:
        host = "127.0.0.1" if self._options.host in {"0.0.0.0", "::", ""} else self._options.host  # noqa: S104
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._port}/{path}"

    def _describe(self, deployment: Deployment, redis_url: str, aws_endpoint: str) -> dict[str, Any]:
        stage = deployment.websocket_api.stage
        return {
            "websocket": self._url("ws", stage),
            "http": self._url("http", ""),
            "management": self._url("http", stage),
            "aws_endpoint": aws_endpoint,
            "redis_url": redis_url,
            "pid": os.getpid(),
        }
