# timeout: 60
# Erlang: schedulers, many processes, ports, files, timers, ETS, links.
cd /root; cat > m.erl <<'X'
-module(m). -export([main/0]).
main() ->
  S = self(), N = 20000,
  Ps = [spawn(fun() -> receive {go, F} -> F ! {done, I} end end) || I <- lists:seq(1, N)],
  [P ! {go, S} || P <- Ps],
  Sum = lists:sum([receive {done, I} -> I end || _ <- Ps]), io:format("sum ~p~n", [Sum]),
  process_flag(trap_exit, true), Q = spawn_link(fun() -> exit(boom) end), receive {'EXIT', Q, R} -> io:format("exit ~p~n", [R]) end,
  Port = open_port({spawn, "cat"}, [binary, stream]), port_command(Port, <<"through a port">>), receive {Port, {data, D}} -> io:format("~s~n", [D]) end, port_close(Port),
  io:format("~s", [os:cmd("echo from a shell; echo $((6*7))")]),
  P2 = open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", "exit 3"]}, exit_status]), receive {P2, {exit_status, St}} -> io:format("status ~p~n", [St]) end,
  ok = file:write_file("x", lists:duplicate(1000, "line\n")), {ok, B} = file:read_file("x"), io:format("~p~n", [byte_size(B)]),
  T = ets:new(t, [public, {write_concurrency, true}]), W = [spawn_monitor(fun() -> [ets:update_counter(T, k, 1, {k, 0}) || _ <- lists:seq(1, 5000)] end) || _ <- lists:seq(1, 8)],
  [receive {'DOWN', Ref, _, _, normal} -> ok end || {_, Ref} <- W], io:format("~p~n", [ets:lookup(T, k)]),
  T0 = erlang:monotonic_time(millisecond), receive after 200 -> ok end, D1 = erlang:monotonic_time(millisecond) - T0, io:format("~p~n", [D1 >= 200 andalso D1 < 2000]),
  {ok, L} = gen_tcp:listen(0, [{ifaddr, {local, "/root/s"}}, binary, {active, false}]), spawn(fun() -> {ok, C} = gen_tcp:accept(L), {ok, X} = gen_tcp:recv(C, 0), gen_tcp:send(C, [X, X]) end),
  {ok, C2} = gen_tcp:connect({local, "/root/s"}, 0, [binary, {active, false}]), gen_tcp:send(C2, "ab"), {ok, Y} = gen_tcp:recv(C2, 4), io:format("~s~n", [Y]), halt(0).
X
erlc m.erl && erl -noshell -noinput +S 4 -eval 'm:main().'; echo status $?
