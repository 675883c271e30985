# The guest for Elixir: reads one request frame from descriptor 0, evaluates the program, writes report frames to
# descriptor 3.
# Elixir 1.14 and later, standard library only. See adapters/guest/protocol.py for the frames.

defmodule Understudy.Guest do
  @moduledoc false
  alias Understudy.{JSON, Values}

  @file_name "program.exs"
  @types ~w(Bytes Complex Decimal Fraction Image OffsetTime Opaque Table Timespan)
  @machinery [Code, Module.ParallelChecker, Understudy.Guest, :erl_eval, :proc_lib]

  @doc "Run the request on descriptor 0 and end the machine."
  def main do
    {:ok, _} = Application.ensure_all_started(:elixir)
    # Reports about crashed processes would show the guest's own; their exits reach the program anyway.
    :logger.add_handler_filter(:default, :understudy, {&:logger_filters.domain/2, {:stop, :sub, [:otp]}})
    request = read_request()
    report = Port.open({:fd, 3, 3}, [:out, :binary, {:packet, 4}])
    Process.register(report, :understudy_report)
    user = Process.whereis(:user)
    console = spawn_link(fn -> console(user) end)

    parent = self()

    {_pid, monitor} =
      spawn_monitor(fn ->
        Process.group_leader(self(), console)
        exit({:understudy, run(request, parent)})
      end)

    System.halt(await(monitor, nil))
  end

  # The place of the expression that runs is kept here as well, for when the program is killed through a link.
  defp await(monitor, place) do
    receive do
      {:understudy_place, place} -> await(monitor, place)
      {:DOWN, ^monitor, _, _, {:understudy, code}} -> code
      {:DOWN, ^monitor, _, _, {error, stack}} when is_exception(error) -> failed(:error, error, stack, place)
      {:DOWN, ^monitor, _, _, reason} -> failed(:exit, reason, [], place)
    end
  end

  # What the program writes goes on to the machine's own console; what it wants to read is at its end.
  defp console(user) do
    receive do
      {:io_request, from, reply_as, request} when elem(request, 0) in [:get_line, :get_chars, :get_until] ->
        send(from, {:io_reply, reply_as, :eof})

      message ->
        send(user, message)
    end

    console(user)
  end

  @doc "Show something beside the value: an Image, or content of a MIME type."
  def display(value, mime \\ "text/plain")

  def display(%Understudy.Image{mime: mime, data: data}, _), do: send_display(mime, data)
  def display(%Understudy.Bytes{data: data}, mime), do: send_display(mime, data)
  def display(value, mime), do: send_display(mime, to_string(value))

  defp send_display(mime, data) do
    report([~s({"kind":"display","data":{), Values.text(mime), ":", content(mime, data), "}}"])
  end

  # A string is a binary too, so that the type has to tell. Text of other types may well travel as bytes: the host knows.
  defp content("text/" <> _, data), do: Values.text(data)
  defp content(_, data), do: Values.encode(%Understudy.Bytes{data: data})

  defp read_request do
    port = Port.open({:fd, 0, 0}, [:in, :binary, :eof, {:packet, 4}])

    receive do
      {^port, {:data, body}} ->
        Port.close(port)
        JSON.parse(body)

      {^port, :eof} ->
        IO.puts(:stderr, "the request frame is cut short")
        System.halt(70)
    end
  end

  defp run(request, parent) do
    code = request["code"]

    with {:ok, expressions} <- parse(code),
         {:ok, value, binding} <- evaluate(expressions, code, Values.decode(request["inputs"]), parent) do
      value = Keyword.get(binding, :result, value)
      send_value(value, request["max_value_bytes"])
    else
      {:failed, kind, reason, stack, place} -> failed(kind, reason, stack, place)
    end
  end

  defp parse(code) do
    case Code.string_to_quoted!(code, file: @file_name, columns: true) do
      {:__block__, _, expressions} -> {:ok, expressions}
      expression -> {:ok, [expression]}
    end
  rescue
    error -> {:failed, :error, error, [], nil}
  end

  # One expression after the other, because interpreted code has no lines of its own: the place of an error is that of the
  # expression it is in.
  defp evaluate(expressions, code, inputs, parent) do
    env = prepared(preamble(code), start_env())
    evaluate_each(expressions, {nil, [inputs: inputs], env}, parent, nil)
  end

  # Recursion of our own, not Enum: its frames would look like the program's.
  defp evaluate_each([], {value, binding, _env}, _parent, _place), do: {:ok, value, binding}

  defp evaluate_each([expression | rest], {_value, binding, env}, parent, place) do
    place = place(expression) || place
    send(parent, {:understudy_place, place})

    case evaluate_one(expression, binding, env, place) do
      {:failed, _, _, _, _} = failed -> failed
      outcome -> evaluate_each(rest, outcome, parent, place)
    end
  end

  defp evaluate_one(expression, binding, env, place) do
    Code.eval_quoted_with_env(expression, binding, env)
  catch
    kind, reason -> {:failed, kind, reason, __STACKTRACE__, place}
  end

  defp prepared([], env), do: env

  defp prepared([quoted | rest], env) do
    {_, _, env} = Code.eval_quoted_with_env(quoted, [], env)
    prepared(rest, env)
  end

  defp start_env, do: %{Code.env_for_eval(file: @file_name, line: 1) | file: @file_name}

  # The types go by their short names, unless the program defines modules of those names.
  defp preamble(code) do
    free = Enum.reject(@types, &String.contains?(code, "defmodule " <> &1))
    aliases = for name <- free, do: "alias Understudy.#{name}, warn: false"
    shown = if String.contains?(code, "display"), do: ["import Understudy.Guest, only: [display: 1, display: 2], warn: false"], else: []
    Enum.map(aliases ++ shown, &Code.string_to_quoted!/1)
  end

  defp place(expression) do
    {_, places} =
      Macro.prewalk(expression, [], fn
        {_, meta, _} = node, places -> {node, if(meta[:line], do: [{meta[:line], meta[:column] || 1} | places], else: places)}
        node, places -> {node, places}
      end)

    Enum.min(places, fn -> nil end)
  end

  defp send_value(value, limit) do
    json = IO.iodata_to_binary(Values.encode(value))

    if limit != nil and byte_size(json) > limit do
      refused("TooLargeError", "the value takes #{byte_size(json)} bytes; the limit is #{limit}")
    else
      report([~s({"kind":"value","value":), json, "}"])
      0
    end
  catch
    {:understudy, sentence} -> refused("ValueFormatError", sentence)
  end

  defp refused(type, sentence) do
    IO.puts(:stderr, "** (#{type}) #{sentence}")
    report_error(type, sentence, nil)
    1
  end

  defp failed(:exit, reason, _, _) when reason in [:normal, :shutdown], do: 0
  defp failed(:exit, {:shutdown, code}, _, _) when is_integer(code) and code in 0..255, do: exited(code)

  defp failed(kind, reason, stack, place) do
    error = if kind == :error, do: Exception.normalize(:error, reason, stack), else: reason
    {error, stack} = if kind == :error, do: Exception.blame(:error, error, stack), else: {error, stack}
    frames = Enum.reject(stack, &machinery?/1)
    own = Enum.find_value(frames, fn {_, _, _, location} -> location[:file] == ~c"program.exs" && {location[:line], nil} end)
    banner = Exception.format_banner(kind, error, stack)
    top = if place, do: ["    #{@file_name}:#{elem(place, 0)}: (file)"], else: []
    trace = Enum.map(frames, &("    " <> Exception.format_stacktrace_entry(&1)))
    IO.puts(:stderr, Enum.join([banner | trace ++ top], "\n"))
    {type, message} = if kind == :error, do: {inspect(error.__struct__), Exception.message(error)}, else: {Atom.to_string(kind), inspect(reason)}
    report_error(type, message, stated(error) || own || place)
    1
  end

  defp exited(0), do: 0

  defp exited(code) do
    report_error("Exit", "the program exited with code #{code}", nil)
    code
  end

  # Where a syntax or compile error says it is.
  defp stated(%{line: line} = error) when is_integer(line), do: {line, Map.get(error, :column)}
  defp stated(_), do: nil

  defp machinery?({module, _, _, _}) do
    module in @machinery or String.starts_with?(Atom.to_string(module), "elixir")
  end

  defp machinery?(_), do: true

  defp report_error(type, message, place) do
    {line, column} = place || {nil, nil}
    where = [~s(,"line":), to_string(line || "null"), ~s(,"column":), to_string(column || "null"), "}"]
    report([~s({"kind":"error","type":), Values.text(type), ~s(,"message":), Values.text(String.slice(message, 0, 10_000)) | where])
  end

  defp report(json), do: Port.command(:understudy_report, json)
end
