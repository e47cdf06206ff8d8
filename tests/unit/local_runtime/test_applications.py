"""An application is read, or refused in one sentence that says what to do."""

from __future__ import annotations

import asyncio
import json
import tomllib
from pathlib import Path

import pytest

from local.application.build_command import write_build
from local.application.code_check import check_places, require_sound_code
from local.application.code_faults import describe
from local.application.declaration import read_application
from local.application.new_command import make_application, templates
from local.application.own_template import read_own_template
from local.application.program import choose_program
from local.deploying.deployment import Stack
from local.deploying.sam_template import read_template
from local.errors import CannotStartError
from local.options import Options
from pushaside.cli.main import main
from pushaside_service import TEMPLATE

MAXIMUM_LINES = 60


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A new application."""
    make_application(tmp_path / "shop")
    return tmp_path / "shop"


def sentence_of(folder: Path) -> str:
    """What is said of an application that can't start."""
    with pytest.raises(CannotStartError) as caught:
        choose_program(Options(app=folder))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


# pushaside new


def test_a_new_application_is_small_and_bears_its_name(shop: Path) -> None:
    files = [path for path in shop.rglob("*") if path.is_file()]
    assert {"pushaside.toml", "template.yaml", "requirements.txt", "README.md", ".gitignore"} <= {
        path.name for path in files
    }
    for path in files:
        text = path.read_text()
        assert len(text.splitlines()) <= MAXIMUM_LINES, path
        assert "{{" not in text, path
    assert tomllib.loads((shop / "pushaside.toml").read_text())["name"] == "shop"


def test_a_new_application_does_not_replace_what_is_there(shop: Path) -> None:
    (shop / "README.md").write_text("mine")
    with pytest.raises(CannotStartError, match="exists already; choose another name"):
        make_application(shop)
    assert (shop / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["Shop", "1shop", "my shop", "shop_1", "-shop", "s" * 41])
def test_a_name_that_no_application_can_have_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotStartError, match="use lower-case letters, digits and hyphens"):
        make_application(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# pushaside new --template


@pytest.mark.parametrize("template", templates())
def test_a_copy_of_an_example_bears_the_new_name_and_runs(tmp_path: Path, template: str) -> None:
    folder = tmp_path / "copied"
    make_application(folder, template)
    program = choose_program(Options(app=folder))
    assert program.own is not None
    assert program.own.application.declaration.name == "copied"
    assert program.own.body["Description"].startswith("copied, ")
    assert (folder / "README.md").read_text().startswith("# copied\n")
    assert "The computes of copied:" in (folder / "computes" / "__init__.py").read_text()
    assert ".pushaside/" in (folder / ".gitignore").read_text()


def test_an_unknown_template_is_refused_with_the_closest_one(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match=r"`order`\. Did you mean orders\? There are: .*orders"):
        make_application(tmp_path / "shop", "order")
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_new_lists_the_templates(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["new", "--help"])
    assert f"the application to copy: {', '.join(templates())}" in " ".join(capsys.readouterr().out.split())


# What runs


def test_a_new_application_is_one_that_runs(shop: Path) -> None:
    program = choose_program(Options(app=shop))
    assert program.template == TEMPLATE
    assert program.own is not None
    assert set(program.own.body["Resources"]) == {"Orders", "ReadOrders", "Computes"}
    assert "WebSocketUrl" not in program.own.body["Outputs"]


def test_the_folder_decides_what_runs(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)
    assert choose_program(Options()).own is not None
    assert choose_program(Options(template=Path("template.yaml"))).own is None

    monkeypatch.chdir(tmp_path)
    assert choose_program(Options(demo=True)).template == TEMPLATE
    with pytest.raises(CannotStartError, match=r"neither a pushaside.toml nor a template.yaml .*`pushaside new NAME`"):
        choose_program(Options())
    (tmp_path / "template.yaml").touch()
    assert choose_program(Options()).template == Path("template.yaml")


def test_an_application_and_a_template_are_too_much(shop: Path) -> None:
    with pytest.raises(CannotStartError, match="give one of them"):
        choose_program(Options(app=shop, template=shop / "template.yaml"))


def test_a_folder_that_is_no_application_says_how_to_make_one(tmp_path: Path) -> None:
    assert "There is no pushaside.toml" in sentence_of(tmp_path)
    assert "`pushaside new NAME`" in sentence_of(tmp_path)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("name = 3", "Expected `str`"),
        ("nane = 'shop'", "unknown field `nane`"),
        ("name = 'shop'\ncolour = 'red'", "unknown field `colour`"),
        ("name = 'shop'\nmodules = []", "length >= 1"),
        ("name = ", "cannot be read"),
    ],
)
def test_a_declaration_that_is_wrong_says_where(shop: Path, line: str, complaint: str) -> None:
    (shop / "pushaside.toml").write_text(line)
    sentence = sentence_of(shop)
    assert "pushaside.toml" in sentence
    assert complaint in sentence


def test_a_table_that_the_template_does_not_have_is_named_with_those_it_has(shop: Path) -> None:
    change(shop / "pushaside.toml", "[tables.Orders]", "[tables.Customers]")
    sentence = sentence_of(shop)
    assert "declares the table Customers, which template.yaml does not have (it has Orders)" in sentence
    assert "set `name` in [tables.Customers]" in sentence


def test_a_template_without_pushaside_says_what_to_add(shop: Path) -> None:
    change(shop / "template.yaml", "Location: .pushaside/template.yaml", "Location: other.yaml")
    assert "type AWS::Serverless::Application with the Location .pushaside/template.yaml" in sentence_of(shop)


def test_a_module_that_is_not_there_says_what_to_create(shop: Path) -> None:
    change(shop / "pushaside.toml", 'name = "shop"', 'name = "shop"\nmodules = ["computs"]')
    sentence = sentence_of(shop)
    assert "pushaside.toml offers the module computs" in sentence
    assert "computs.py" in sentence


def test_a_module_in_a_package_is_found(shop: Path) -> None:
    change(shop / "pushaside.toml", 'name = "shop"', 'name = "shop"\nmodules = ["computes.orders"]')
    check_places(read_application(shop))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("ComputeModules: sales", "gives Pushaside the ComputeModules sales, but pushaside.toml offers computes;"),
        ("LogLevel: INFO", "gives Pushaside no ComputeModules, but pushaside.toml offers computes;"),
    ],
)
def test_modules_of_the_template_that_are_not_those_of_the_declaration_are_named(
    shop: Path, line: str, complaint: str
) -> None:
    change(shop / "template.yaml", "ComputeModules: computes", line)
    sentence = sentence_of(shop)
    assert complaint in sentence
    assert "write `ComputeModules: computes`" in sentence


def test_parameters_of_the_declaration_are_those_of_the_program(shop: Path) -> None:
    with (shop / "pushaside.toml").open("a") as file:
        file.write("\n[parameters]\nResultDays = 2\n")
    assert choose_program(Options(app=shop)).parameters == {"ResultDays": "2"}


def test_a_parameter_that_pushaside_does_not_have_is_named_with_the_closest_one(shop: Path) -> None:
    with (shop / "pushaside.toml").open("a") as file:
        file.write("\n[parameters]\nResultDay = 2\n")
    sentence = sentence_of(shop)
    assert "pushaside.toml names the parameter ResultDay, which Pushaside does not have." in sentence
    assert sentence.endswith("Did you mean ResultDays?")


def test_a_parameter_of_the_template_that_pushaside_does_not_have_is_named(shop: Path) -> None:
    change(shop / "template.yaml", "ComputeModules: computes", "ComputeModules: computes\n        Topic: ''")
    assert "template.yaml gives Pushaside the parameter Topic, which Pushaside does not have." in sentence_of(shop)


def give_environment(shop: Path, value: str) -> None:
    change(
        shop / "template.yaml",
        "ComputeModules: computes",
        f"ComputeModules: computes\n        ComputeEnvironment: {value}",
    )


def test_the_check_of_the_code_knows_the_environment_of_the_computes(shop: Path) -> None:
    give_environment(shop, """!Sub '{"STAGE": "${Stage}", "ORDERS": "${Orders}"}'""")
    change(shop / "template.yaml", "Resources:\n", "Parameters:\n  Stage: {Type: String, Default: test}\nResources:\n")
    change(shop / "computes/orders.py", "from push", "import os\nassert os.environ['STAGE'] == 'test'\nfrom push")
    own = read_own_template(read_application(shop))
    assert own.application.environment == {"STAGE": "test", "ORDERS": "x"}
    asyncio.run(require_sound_code(own.application))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("STAGE=test", "ComputeEnvironment in {} is not JSON: "),
        ("'[]'", "ComputeEnvironment in {} must be a JSON object."),
        ("""'{"LIMIT": 3}'""", "ComputeEnvironment in {} gives LIMIT a value that is not a string; quote it."),
    ],
)
def test_an_environment_that_no_function_can_read_is_refused(shop: Path, value: str, complaint: str) -> None:
    give_environment(shop, value)
    assert complaint.format(shop / "template.yaml") in sentence_of(shop)


TOPICS = [{"match": "chat:*", "publish": "anybody"}]


def give_topics(shop: Path, topics: object) -> None:
    change(
        shop / "template.yaml",
        "ComputeModules: computes",
        f"ComputeModules: computes\n        Topics: '{json.dumps(topics)}'",
    )


def declare_topics(shop: Path) -> None:
    with (shop / "pushaside.toml").open("a") as file:
        file.write('\n[[topics]]\nmatch = "chat:*"\npublish = "anybody"\n')


def test_topics_of_the_template_that_are_not_those_of_the_declaration_are_refused(shop: Path) -> None:
    declare_topics(shop)
    give_topics(shop, TOPICS)
    assert "differs from [[topics]] in pushaside.toml; remove Topics" in sentence_of(shop)


def test_topics_may_be_in_both_if_they_are_the_same(shop: Path) -> None:
    declare_topics(shop)
    give_topics(shop, json.loads(read_application(shop).topics))
    assert choose_program(Options(app=shop)).own is not None


def test_topics_of_the_template_apply_on_one_machine_too(shop: Path) -> None:
    give_topics(shop, TOPICS)
    own = read_own_template(read_application(shop)).for_one_machine()
    assert json.loads(own.parameters(Stack({}, {}, frozenset(), {}, {}))["Topics"]) == TOPICS


def test_a_build_carries_the_topics_of_the_application(shop: Path) -> None:
    write_build(read_own_template(read_application(shop)))
    shipped = json.loads((shop / ".pushaside/src/topics.json").read_text())
    declare_topics(shop)
    write_build(read_own_template(read_application(shop)))
    own = json.loads((shop / ".pushaside/src/topics.json").read_text())
    assert [each["match"] for each in own] == ["*@*", "chat:*", "*"]
    assert shipped != own


def test_topics_come_before_the_default_ones(shop: Path) -> None:
    with (shop / "pushaside.toml").open("a") as file:
        file.write('\n[[topics]]\nmatch = "chat:*"\npublish = "anybody"\n')
    matches = [each["match"] for each in json.loads(read_application(shop).topics)]
    assert matches == ["*@*", "chat:*", "*"]


def test_parameters_are_written_as_cloudformation_takes_them(shop: Path) -> None:
    with (shop / "pushaside.toml").open("a") as file:
        file.write('\n[parameters]\nResultDays = 2\nEdgeCache = "off"\nAllowSynthetic = false\n')
    assert read_application(shop).parameters == {"ResultDays": "2", "EdgeCache": "off", "AllowSynthetic": "false"}


# Faults of the code


def fault_of(folder: Path, code: str) -> str:
    """What is said of the error that running a module raises."""
    path = folder / "computes" / "orders.py"
    path.write_text(code)
    try:
        exec(compile(code, path, "exec"), {})
    except (SyntaxError, ImportError, ValueError) as error:
        return str(describe(error, folder))
    raise AssertionError("the code has no fault")


def test_a_syntax_error_has_file_and_line(shop: Path) -> None:
    assert fault_of(shop, "x = 1\nif x\n") == "computes/orders.py, line 2: expected ':'."


def test_an_error_while_importing_has_the_line_of_the_application(shop: Path) -> None:
    code = "import json\n\nVALUE = json.loads('{')\n"
    assert fault_of(shop, code).startswith("computes/orders.py, line 3: JSONDecodeError: ")


def test_a_signature_that_is_no_schema_names_its_place_once(shop: Path) -> None:
    change(shop / "computes/orders.py", "customer: str", "customer: complex")
    with pytest.raises(CannotStartError) as caught:
        asyncio.run(require_sound_code(read_application(shop)))
    assert str(caught.value).startswith(
        f"{shop}: computes/orders.py, line 6: `customer_orders`: the parameter `customer` has the type `complex`,"
    )


def test_two_computes_of_one_name_are_both_named(shop: Path) -> None:
    (shop / "computes" / "sales.py").write_text((shop / "computes" / "orders.py").read_text())
    with pytest.raises(CannotStartError) as caught:
        asyncio.run(require_sound_code(read_application(shop)))
    assert str(caught.value).startswith(f"{shop}: Two computes are named 'customer_orders': ")
    assert "orders.py:6" in str(caught.value)
    assert "sales.py:6" in str(caught.value)


def test_a_package_that_is_missing_says_how_to_install_it(shop: Path) -> None:
    sentence = fault_of(shop, "import no_such_package.part\n")
    assert sentence.startswith("computes/orders.py, line 1: No module named 'no_such_package'. Add no_such_package to")
    assert "`pip install -r requirements.txt`" in sentence


def test_the_cause_of_an_error_is_what_counts(shop: Path) -> None:
    code = (
        "def inner():\n    raise KeyError('colour')\n\ntry:\n    inner()\n"
        "except KeyError as exc:\n    raise ValueError('no') from exc\n"
    )
    assert fault_of(shop, code) == "computes/orders.py, line 2: KeyError: 'colour'."


# pushaside build


def test_a_build_has_the_service_and_a_layer_of_the_computes(shop: Path) -> None:
    (shop / "requirements.txt").write_text("humanize\n")
    write_build(read_own_template(read_application(shop)))
    built = shop / ".pushaside"
    assert read_template(built / "template.yaml")["Resources"].keys() > read_template(TEMPLATE)["Resources"].keys()
    for name in ("topics.json", "requirements.txt", "compute/app.py", "push/computes/__init__.py"):
        assert (built / "src" / name).is_file(), name
    assert (built / "layer" / "computes" / "orders.py").is_file()
    assert (built / "layer" / "requirements.txt").read_text() == "humanize\n"
    assert not list(built.rglob("__pycache__"))


def test_a_build_replaces_the_one_before(shop: Path) -> None:
    own = read_own_template(read_application(shop))
    write_build(own)
    (shop / "computes" / "orders.py").rename(shop / "computes" / "sales.py")
    write_build(own)
    assert {path.name for path in (shop / ".pushaside/layer/computes").iterdir()} == {"__init__.py", "sales.py"}
    assert not (shop / ".pushaside.new").exists()
